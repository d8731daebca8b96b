// TDX quotes of version 4 by go-tdx-guest: chain to Intel's root, both CRLs, TCB info, QE identity, the quote.
// It accepts UpToDate only.  Collateral comes from memory, in the answers of Intel's service that it asks for.
package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/google/go-tdx-guest/verify"

	"peers/peer"
)

type answer struct {
	header map[string][]string
	body   []byte
}

// getter answers by what a URL asks for.  The CRL of the root comes from an address in a certificate.
type getter struct{ tcb, qe, pck, root answer }

func (g *getter) Get(from string) (map[string][]string, []byte, error) {
	a := &g.root
	switch {
	case strings.Contains(from, "/tcb?"):
		a = &g.tcb
	case strings.Contains(from, "/qe/identity"):
		a = &g.qe
	case strings.Contains(from, "/pckcrl?"):
		a = &g.pck
	}
	if a.body == nil {
		return nil, nil, fmt.Errorf("not given: %s", from)
	}
	return a.header, a.body, nil
}

func issued(phrase string, chain, body []byte) answer {
	text := strings.TrimRight(string(chain), "\n") + "\n"
	return answer{map[string][]string{phrase: {url.QueryEscape(text)}}, body}
}

func prepare(c *peer.Case) (peer.Verify, error) {
	signing := c.Part("tcb_signing_chain")
	from := &getter{
		tcb:  issued("Tcb-Info-Issuer-Chain", signing, c.Part("tcb_info")),
		qe:   issued("Sgx-Enclave-Identity-Issuer-Chain", signing, c.Part("qe_identity")),
		pck:  issued("Sgx-Pck-Crl-Issuer-Chain", c.Part("pck_crl_issuer_chain"), c.Part("pck_crl")),
		root: answer{nil, c.Part("root_ca_crl")},
	}
	return func() error {
		return verify.RawTdxQuote(c.Part("evidence"), &verify.Options{
			CheckRevocations: true, GetCollateral: true, Getter: from, Now: c.Now(),
		})
	}, nil
}

func main() { peer.Run(prepare) }
