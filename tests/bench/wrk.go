package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	connections = 64
	threads     = 2
	// installTimeout bounds each of the two steps of installing wrk.
	installTimeout = 5 * time.Minute
	// overtime is how much longer than its duration a load may take, to connect and to sum up.
	overtime = 30 * time.Second
)

// script makes wrk send one event over and over, and sum up as a line of JSON. wrk counts as bad what has a status of
// 400 or more; looking at every answer in Lua would slow down the tool, so that other than 200 is looked for once,
// before the load. Percentiles are in microseconds.
const script = `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-API-Key"] = "%s"
wrk.body = [==[%s]==]

done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n%s{"requests":%%d,"micros":%%d,"p50":%%d,"p95":%%d,"p99":%%d,"status":%%d,"connect":%%d,"read":%%d,"write":%%d,"timeout":%%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    e.status, e.connect, e.read, e.write, e.timeout))
end
`

// scriptMark begins the line that the script sums up in.
const scriptMark = "bench: "

// wrk is the load tool.
type wrk struct{ path, script string }

// load is what one run of wrk measured.
type load struct {
	rate float64 // requests per second
	spread
}

func (l load) String() string { return fmt.Sprintf("%s/s  %s", grouped(int(l.rate)), l.spread) }

// findWrk finds wrk, or installs it, and writes its script into dir.
func findWrk(ctx context.Context, dir string) (*wrk, error) {
	path, err := exec.LookPath("wrk")
	if err != nil {
		if err := installWrk(ctx); err != nil {
			return nil, err
		}
		if path, err = exec.LookPath("wrk"); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(dir, "load.lua")
	content := fmt.Sprintf(script, developmentKey, event(1), scriptMark)
	return &wrk{path: path, script: file}, os.WriteFile(file, []byte(content), 0o600)
}

func installWrk(ctx context.Context) error {
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return errors.New("wrk is missing; install it (Debian and Ubuntu: sudo apt-get install wrk) and run this again")
	}
	fmt.Println("installing wrk")
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "wrk"}} {
		ctx, cancel := context.WithTimeout(ctx, installTimeout)
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}

// run loads the server's POST /events. Any bad answer and any lost connection is an error.
func (w *wrk) run(ctx context.Context, server *target, duration time.Duration) (load, error) {
	ctx, cancel := context.WithTimeout(ctx, duration+overtime)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.path, "-t", strconv.Itoa(threads), "-c", strconv.Itoa(connections),
		"-d", fmt.Sprintf("%ds", int(duration.Seconds())), "-s", w.script, server.url+"/events")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	_, line, _ := strings.Cut(string(out), "\n"+scriptMark)
	var sum struct{ Requests, Micros, P50, P95, P99, Status, Connect, Read, Write, Timeout int64 }
	if err := json.Unmarshal([]byte(line), &sum); err != nil {
		return load{}, fmt.Errorf("wrk did not sum up as it should: %w\n%s", err, out)
	}
	if sum.Requests == 0 || sum.Status+sum.Connect+sum.Read+sum.Write+sum.Timeout > 0 {
		return load{}, fmt.Errorf("%s: of %d answers %d were errors; connections: %d not made, %d failed reading, "+
			"%d failed writing, %d timed out", server.name, sum.Requests, sum.Status, sum.Connect, sum.Read, sum.Write, sum.Timeout)
	}
	micros := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return load{
		rate:   perSecond(int(sum.Requests), micros(sum.Micros)),
		spread: spread{p50: micros(sum.P50), p95: micros(sum.P95), p99: micros(sum.P99)},
	}, nil
}
