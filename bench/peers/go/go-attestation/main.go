// TPM quotes by go-attestation: a key that the caller trusts, the quote's signature and nonce, the PCRs'
// digest, and the boot log replayed against them where the case has one.  No certificate of the key.
package main

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/go-attestation/attest"

	"peers/peer"
)

func key(c *peer.Case) (*attest.AKPublic, error) {
	if public := c.Part("ak_public"); public != nil {
		return attest.ParseAKPublic(public)
	}
	public, err := x509.ParsePKIXPublicKey(c.Part("ak_spki"))
	return &attest.AKPublic{Public: public, Hash: crypto.SHA256}, err
}

func pcrs(text []byte) ([]attest.PCR, error) {
	var given struct {
		Bank string            `json:"bank"`
		PCRs map[string]string `json:"pcrs"`
	}
	if err := json.Unmarshal(text, &given); err != nil {
		return nil, err
	}
	alg, known := map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384}[given.Bank]
	if !known {
		return nil, fmt.Errorf("bank '%s'", given.Bank)
	}
	var list []attest.PCR
	for name, value := range given.PCRs {
		index, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		digest, err := hex.DecodeString(value)
		if err != nil {
			return nil, err
		}
		list = append(list, attest.PCR{Index: index, Digest: digest, DigestAlg: alg})
	}
	return list, nil
}

func prepare(c *peer.Case) (peer.Verify, error) {
	nonce, err := hex.DecodeString(c.NonceHex)
	if err != nil {
		return nil, err
	}
	return func() error {
		ak, err := key(c)
		if err != nil {
			return err
		}
		values, err := pcrs(c.Part("pcrs"))
		if err != nil {
			return err
		}
		quote := attest.Quote{Quote: c.Part("evidence"), Signature: c.Part("signature")}
		if err := ak.Verify(quote, values, nonce); err != nil {
			return err
		}
		if c.Part("event_log") == nil {
			return nil
		}
		log, err := attest.ParseEventLog(c.Part("event_log"))
		if err != nil {
			return err
		}
		_, err = log.Verify(values)
		return err
	}, nil
}

func main() { peer.Run(prepare) }
