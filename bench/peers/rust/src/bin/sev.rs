//! SEV-SNP reports by `sev`, on OpenSSL: certificates parsed, chain from the ARK, and the report's signature.
//! It compares no validity, no CRL, no TCB and neither the chip's id nor the TCB in the certificate with the
//! report's.  Cached keeps the chain that was verified: what is left is the report.
use peers::{Case, Prepared, Verdict};
use sev::certs::snp::{ca, Certificate, Chain, Verifiable};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

fn chain(case: &Case) -> Result<Chain, String> {
    let vek = case.part("vcek").or(case.part("vlek")).ok_or("no VCEK")?;
    let parse = |bytes: &[u8]| Certificate::from_bytes(bytes).map_err(|e| e.to_string());
    Ok(Chain { ca: ca::Chain { ark: parse(case.need("ark")?)?, ask: parse(case.need("ask")?)? }, vek: parse(vek)? })
}

fn report(case: &Case) -> Result<AttestationReport, String> {
    AttestationReport::from_bytes(case.need("evidence")?).map_err(|e| e.to_string())
}

fn whole(case: &Case) -> Verdict {
    (&chain(case)?, &report(case)?).verify().map_err(|e| e.to_string())
}

fn prepare(case: &Case) -> Prepared<'_> {
    let known = chain(case)?;
    known.verify().map_err(|e| e.to_string())?;
    Ok((
        Box::new(move || whole(case)),
        Some(Box::new(move || (&known.vek, &report(case)?).verify().map_err(|e| e.to_string()))),
    ))
}

fn main() {
    peers::run(prepare);
}
