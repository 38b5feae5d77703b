package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// runTimeout bounds the whole run; whatever waits for something shorter has a deadline of its own.
const runTimeout = time.Hour

// fullSize is the number of stored events that the budget for the inbox page is about.
const fullSize = 1_000_000

// options is what can be chosen on the command line.
type options struct {
	parts    []string
	engines  []string
	rounds   int
	duration time.Duration
	stored   int
	backlog  int
	dir      string
}

// bench is one run: where it works, and what it found so far.
type bench struct {
	options

	dir    string // for everything the run writes; removed at the end
	server string // the built server
	on     []engine
	report report
}

// part is a subject that can be measured alone.
type part struct {
	name string
	run  func(*bench, context.Context) error
}

// parts are in the order they are measured.
var parts = []part{
	{"accept", (*bench).accept},
	{"start", (*bench).start},
	{"inbox", (*bench).inbox},
	{"pull", (*bench).pull},
}

func main() {
	// SIGPIPE too: when nobody reads the output any more, the run is over, but has servers to stop and files to remove.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	go func() {
		// The first signal ends the run in order; a second one ends it at once.
		<-ctx.Done()
		stop()
	}()
	if len(os.Args) == 2 && os.Args[1] == bareCommand {
		exitWith(serveBare(ctx))
	}
	opts, err := parseFlags(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(2)
	}
	exitWith(run(ctx, opts))
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parseFlags(args []string) (options, error) {
	var o options
	var only, engines string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&only, "only", "accept,start,inbox,pull", "comma-separated parts to run")
	flags.StringVar(&engines, "engines", "sqlite,postgresql", "comma-separated engines to run them on")
	flags.IntVar(&o.rounds, "rounds", 3, "accept: rounds, each with the bare handler and the server on every engine")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "accept: how long each load lasts")
	flags.IntVar(&o.stored, "stored", fullSize, "inbox: events stored, of which a tenth is pending; a multiple of 10000")
	flags.IntVar(&o.backlog, "backlog", 200_000, "pull: pending events to drain; a multiple of 800")
	flags.StringVar(&o.dir, "dir", "bin/bench", "where to put the run's directory: on a real disk, and, for root, where the user postgres may go")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.parts, o.engines = strings.Split(only, ","), strings.Split(strings.ToLower(engines), ",")
	for _, name := range o.parts {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return o, fmt.Errorf("-only: there is no part %q", name)
		}
	}
	for _, name := range o.engines {
		if name != strings.ToLower(sqlite) && name != strings.ToLower(postgres) {
			return o, fmt.Errorf("-engines: there is no engine %q", name)
		}
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q is not a flag", flags.Arg(0))
	case o.rounds < 1:
		return o, errors.New("-rounds must be at least 1")
	case o.duration < time.Second || o.duration%time.Second != 0:
		return o, errors.New("-duration must be whole seconds, because wrk takes nothing else")
	case o.stored < 10_000 || o.stored%10_000 != 0:
		return o, errors.New("-stored must be a positive multiple of 10000")
	case o.backlog < 800 || o.backlog%(consumers*batchSize) != 0:
		return o, errors.New("-backlog must be a positive multiple of 800")
	}
	return o, nil
}

func run(ctx context.Context, opts options) (err error) {
	if runtime.GOOS != "linux" {
		return errors.New("the benchmark reads /proc and so needs Linux")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, runTimeout, fmt.Errorf("the run took longer than %s", runTimeout))
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
	}()
	dir, remove, err := makeDir(opts.dir)
	if err != nil {
		return err
	}
	defer remove()
	b := &bench{options: opts, dir: dir}
	machine, err := describeMachine(dir)
	if err != nil {
		return err
	}
	fmt.Println(machine)
	if b.server, err = buildServer(ctx, dir); err != nil {
		return err
	}
	stop, err := b.startEngines(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for _, part := range parts {
		if !slices.Contains(opts.parts, part.name) {
			continue
		}
		fmt.Printf("\n== %s\n", part.name)
		if err := part.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	fmt.Printf("\n%s\n%s\n", &b.report, machine)
	return nil
}
