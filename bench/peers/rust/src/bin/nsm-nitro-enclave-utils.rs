//! Nitro documents by `nsm-nitro-enclave-utils`, on rustls-webpki and p384: COSE, the chain to AWS's root,
//! validity at the document's time, the document's signature.  PCRs are left to its caller.
use nsm_nitro_enclave_utils::{api::nsm::AttestationDoc, time::Time, verify::AttestationDocVerifierExt};
use peers::{Case, Prepared};

fn prepare(case: &Case) -> Prepared<'_> {
    let (document, root, now_ms) = (case.need("evidence")?, case.need("root")?, case.now_s * 1000);
    Ok((
        Box::new(move || {
            AttestationDoc::from_cose(document, root, Time::new(Box::new(move || now_ms)))
                .map(|_| ())
                .map_err(|e| format!("{e:?}"))
        }),
        None,
    ))
}

fn main() {
    peers::run(prepare);
}
