//! Nitro documents by `nitro_attest`, on ring: COSE, the chain to AWS's root by its fingerprint, validity at
//! the document's time, the document's signature.  PCRs are left to its caller.
use nitro_attest::UnparsedAttestationDoc;
use peers::{Case, Prepared};
use time::OffsetDateTime;

fn prepare(case: &Case) -> Prepared<'_> {
    let document = case.need("evidence")?;
    let now = OffsetDateTime::from_unix_timestamp(case.now_s as i64).map_err(|e| e.to_string())?;
    Ok((
        Box::new(move || {
            UnparsedAttestationDoc::from(document).parse_and_verify(now).map(|_| ()).map_err(|e| e.to_string())
        }),
        None,
    ))
}

fn main() {
    peers::run(prepare);
}
