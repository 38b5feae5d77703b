// Package main is the triggers command: it reads the configuration, wires the packages together, and starts and stops
// the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// version is set by the build.
var version = "dev"

const usage = `Triggers API: takes events in, keeps them safely, hands them to whoever is waiting.

Usage:
  triggers serve [flags]   run the server; "triggers serve -h" lists the flags
  triggers version         print the version

Every flag of serve can also be given in the environment or in a .env file:
--rate-limit-per-minute is RATE_LIMIT_PER_MINUTE. A flag beats the environment,
and the environment beats .env.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	go func() {
		// The first signal stops the server in order; a second one ends the process at once.
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command; it returns the exit code: 0 done, 1 failed, 2 not understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "serve":
		return serveCommand(ctx, args[1:], stdout, stderr)
	case "version", "--version":
		fmt.Fprintf(stdout, "triggers %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return 0
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	case "":
		fmt.Fprint(stderr, usage)
		return 2
	default:
		fmt.Fprintf(stderr, "triggers: unknown command %q\n\n%s", command, usage)
		return 2
	}
}

func serveCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	env, err := environment(".env", os.Environ())
	if err != nil {
		fmt.Fprintf(stderr, "triggers: %v\n", err)
		return 2
	}
	cfg, err := configure(env, args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "triggers: the configuration is wrong:\n%v\n", err)
		return 2
	}
	if err := serve(ctx, cfg, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "triggers: %v\n", err)
		return 1
	}
	return 0
}
