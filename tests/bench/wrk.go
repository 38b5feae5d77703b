package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

const (
	connections = 64
	threads     = 2
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
	path, err := harness.Command(ctx, "wrk", "wrk")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "load.lua")
	content := fmt.Sprintf(script, developmentKey, event(1), scriptMark)
	return &wrk{path: path, script: file}, os.WriteFile(file, []byte(content), 0o600)
}

// runAll loads the servers at once, after a rest. They share the connections and threads, and the load has the sum of
// their rates and the longest of their times.
func (w *wrk) runAll(ctx context.Context, servers []*target, duration time.Duration) (load, error) {
	if err := pause(ctx, rest); err != nil {
		return load{}, err
	}
	loads := make([]load, len(servers))
	err := together(ctx, len(servers), func(ctx context.Context, i int) (err error) {
		loads[i], err = w.run(ctx, servers[i], threads/len(servers), connections/len(servers), duration)
		return err
	})
	var all load
	for _, l := range loads {
		all.rate += l.rate
		all.spread = spread{max(all.p50, l.p50), max(all.p95, l.p95), max(all.p99, l.p99)}
	}
	return all, err
}

// run loads the server's POST /events. Any bad answer and any lost connection is an error.
func (w *wrk) run(ctx context.Context, server *target, threads, connections int, duration time.Duration) (load, error) {
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
