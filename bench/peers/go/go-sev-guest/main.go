// SEV-SNP reports by go-sev-guest: certificates parsed, chain to AMD's root as embedded there, the report's
// signature, and the certificate's chip and TCB against the report's.  No CRL; no floor for the TCB.
package main

import (
	"bytes"
	"errors"

	"github.com/google/go-sev-guest/abi"
	pb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"

	"peers/peer"
)

// product is what the caller of this library knows of the machine; reports of version 2 do not tell.
func product(ark []byte) (*pb.SevProduct, error) {
	for name, of := range map[string]pb.SevProduct_SevProductName{
		"ARK-Milan": pb.SevProduct_SEV_PRODUCT_MILAN,
		"ARK-Genoa": pb.SevProduct_SEV_PRODUCT_GENOA,
		"ARK-Turin": pb.SevProduct_SEV_PRODUCT_TURIN,
	} {
		if bytes.Contains(ark, []byte(name)) {
			return &pb.SevProduct{Name: of}, nil
		}
	}
	return nil, errors.New("no known product")
}

func prepare(c *peer.Case) (peer.Verify, error) {
	chip, err := product(c.Part("ark"))
	if err != nil {
		return nil, err
	}
	accepted := &validate.Options{
		GuestPolicy:               abi.SnpPolicy{Debug: true, SMT: true, MigrateMA: true},
		PermitProvisionalFirmware: true,
	}
	return func() error {
		report, err := abi.ReportToProto(c.Part("evidence"))
		if err != nil {
			return err
		}
		attestation := &pb.Attestation{Report: report, Product: chip, CertificateChain: &pb.CertificateChain{
			ArkCert: c.Part("ark"), AskCert: c.Part("ask"), VcekCert: c.Part("vcek"), VlekCert: c.Part("vlek"),
		}}
		options := &verify.Options{DisableCertFetching: true, Now: c.Now(), Product: chip}
		if err := verify.SnpAttestation(attestation, options); err != nil {
			return err
		}
		return validate.SnpAttestation(attestation, accepted)
	}, nil
}

func main() { peer.Run(prepare) }
