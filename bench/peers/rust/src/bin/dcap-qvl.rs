//! SGX and TDX quotes by `dcap-qvl`, on ring: chain to Intel's root, both CRLs, TCB info, QE identity,
//! the quote, and the TCB's status, which every case here allows.  The collateral's signatures come apart
//! from what they sign, as this crate asks for them; that is done before the clock starts.
use dcap_qvl::{configs::RingConfig, verify::QuoteVerifier, QuoteCollateralV3};
use peers::{Case, Prepared};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// {"tcbInfo": {...}, "signature": "hex"} into the text that is signed and the signature.
fn signed(bytes: &[u8], name: &str) -> Result<(String, Vec<u8>), String> {
    let parts: HashMap<String, Box<RawValue>> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let body = parts.get(name).ok_or("no body")?.get().to_string();
    let signature = parts.get("signature").ok_or("no signature")?.get().trim_matches('"');
    Ok((body, hex::decode(signature).map_err(|e| e.to_string())?))
}

fn collateral(case: &Case) -> Result<QuoteCollateralV3, String> {
    let (tcb_info, tcb_info_signature) = signed(case.need("tcb_info")?, "tcbInfo")?;
    let (qe_identity, qe_identity_signature) = signed(case.need("qe_identity")?, "enclaveIdentity")?;
    Ok(QuoteCollateralV3 {
        pck_crl_issuer_chain: case.text("pck_crl_issuer_chain")?,
        root_ca_crl: case.need("root_ca_crl")?.to_vec(),
        pck_crl: case.need("pck_crl")?.to_vec(),
        tcb_info_issuer_chain: case.text("tcb_signing_chain")?,
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: case.text("tcb_signing_chain")?,
        qe_identity,
        qe_identity_signature,
        pck_certificate_chain: None,
    })
}

fn prepare(case: &Case) -> Prepared<'_> {
    let given = collateral(case)?;
    let quote = case.need("evidence")?;
    let verifier = QuoteVerifier::new_prod().with_config::<RingConfig>().allow_debug(true);
    Ok((
        Box::new(move || match verifier.verify(quote, &given, case.now_s) {
            Ok(report) if report.status == "Revoked" => Err("revoked".to_string()),
            Ok(_) => Ok(()),
            Err(e) => Err(format!("{e:#}")),
        }),
        None,
    ))
}

fn main() {
    peers::run(prepare);
}
