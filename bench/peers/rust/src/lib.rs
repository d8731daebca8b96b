//! What every peer does around its verifier: `PEER CASES.json` reads cases, verifies each RUNS times and
//! prints one line of JSON.  bench/verify_peers.py writes the former and reads the latter:
//!
//!     {"runs": 25, "cases": [{"id": "...", "now_s": 1700000000, "files": {"evidence": "/path", ...}}]}
//!     {"cases": [{"id": "...", "us": 123.4, "cached_us": 56.7} or {"id": "...", "error": "..."}], "peak_mb": 3.2}
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
pub struct Case {
    pub id: String,
    pub now_s: u64,
    files: HashMap<String, String>,
    #[serde(skip)]
    bytes: HashMap<String, Vec<u8>>,
}

#[derive(Deserialize)]
struct Cases {
    runs: usize,
    cases: Vec<Case>,
}

pub type Verdict = Result<(), String>;

impl Case {
    /// A part of the evidence; None when the case has none of this name.
    pub fn part(&self, name: &str) -> Option<&[u8]> {
        self.bytes.get(name).map(Vec::as_slice)
    }
    pub fn need(&self, name: &str) -> Result<&[u8], String> {
        self.part(name).ok_or_else(|| format!("no {name}"))
    }
    pub fn text(&self, name: &str) -> Result<String, String> {
        String::from_utf8(self.need(name)?.to_vec()).map_err(|e| e.to_string())
    }
}

fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Processor time of this process: what other programs on the core take does not count.
fn now_us() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 * 1e6 + t.tv_nsec as f64 / 1e3
}

/// Median in microseconds of `runs`, after one that is not counted.
fn median(runs: usize, mut verify: impl FnMut() -> Verdict) -> Result<f64, String> {
    verify()?;
    let mut us = Vec::with_capacity(runs);
    for _ in 0..runs {
        let start = now_us();
        verify()?;
        us.push(now_us() - start);
    }
    us.sort_by(f64::total_cmp);
    Ok(us[us.len() / 2])
}

/// A verification, everything parsed anew, and the same with what such a verifier keeps between two.
pub type Verifier<'a> = Box<dyn FnMut() -> Verdict + 'a>;
pub type Prepared<'a> = Result<(Verifier<'a>, Option<Verifier<'a>>), String>;

fn measure<'a>(case: &'a Case, runs: usize, prepare: fn(&'a Case) -> Prepared<'a>) -> Result<(f64, Option<f64>), String> {
    let (mut whole, cached) = prepare(case)?;
    let us = median(runs, &mut whole)?;
    Ok((us, cached.map(|mut c| median(runs, &mut c)).transpose()?))
}

pub fn run(prepare: for<'a> fn(&'a Case) -> Prepared<'a>) {
    let path = std::env::args().nth(1).expect("usage: PEER CASES.json");
    let mut all: Cases = serde_json::from_slice(&std::fs::read(path).expect("cases")).expect("cases");
    let mut out = Vec::new();
    for case in &mut all.cases {
        for (name, path) in &case.files {
            case.bytes.insert(name.clone(), std::fs::read(path).expect("a part of a case"));
        }
        out.push(match measure(case, all.runs, prepare) {
            Ok((us, cached)) => serde_json::json!({"id": case.id, "us": us, "cached_us": cached}),
            Err(error) => serde_json::json!({"id": case.id, "error": error}),
        });
        case.bytes.clear();
    }
    println!("{}", serde_json::json!({"cases": out, "peak_mb": peak_mb()}));
}
