// Package peer is what every Go peer does around its verifier: `PEER CASES.json` reads cases, verifies each
// RUNS times and prints one line of JSON, in the forms that bench/peers/rust/src/lib.rs tells.
package peer

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type Case struct {
	ID       string            `json:"id"`
	NowS     int64             `json:"now_s"`
	NonceHex string            `json:"nonce_hex"`
	Files    map[string]string `json:"files"`
	bytes    map[string][]byte
}

// Part is a part of the evidence, nil when the case has none of this name.
func (c *Case) Part(name string) []byte { return c.bytes[name] }
func (c *Case) Now() time.Time          { return time.Unix(c.NowS, 0).UTC() }

func (c *Case) load() error {
	c.bytes = map[string][]byte{}
	for name, path := range c.Files {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		c.bytes[name] = content
	}
	return nil
}

// Verify does one whole verification, everything parsed anew.
type Verify func() error

type answer struct {
	ID    string  `json:"id"`
	Us    float64 `json:"us,omitempty"`
	Error string  `json:"error,omitempty"`
}

// nowUs is processor time of this process: what other programs on the core take does not count.
func nowUs() float64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return float64(t.Nano()) / 1e3
}

// median in microseconds of `runs`, after one that is not counted.
func median(runs int, verify Verify) (float64, error) {
	if err := verify(); err != nil {
		return 0, err
	}
	us := make([]float64, runs)
	for i := range us {
		start := nowUs()
		if err := verify(); err != nil {
			return 0, err
		}
		us[i] = nowUs() - start
	}
	sort.Float64s(us)
	return us[runs/2], nil
}

func measure(c *Case, runs int, prepare func(*Case) (Verify, error)) (us float64, err error) {
	defer func() { // a peer that panics has not verified
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if err = c.load(); err != nil {
		return 0, err
	}
	verify, err := prepare(c)
	if err != nil {
		return 0, err
	}
	return median(runs, verify)
}

func peakMB() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kb, _ := strconv.ParseFloat(fields[1], 64)
			return kb / 1024
		}
	}
	return 0
}

func Run(prepare func(*Case) (Verify, error)) {
	var given struct {
		Runs  int    `json:"runs"`
		Cases []Case `json:"cases"`
	}
	content, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(content, &given)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	answers := []answer{}
	for i := range given.Cases {
		c := &given.Cases[i]
		us, err := measure(c, given.Runs, prepare)
		a := answer{ID: c.ID, Us: us}
		if err != nil {
			a.Error = err.Error()
		}
		answers = append(answers, a)
		c.bytes = nil
	}
	line, _ := json.Marshal(map[string]any{"cases": answers, "peak_mb": peakMB()})
	fmt.Println(string(line))
}
