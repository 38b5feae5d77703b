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
  triggers serve [flags]    run the server
  triggers migrate          bring the database's schema up to date
  triggers tenants …        list, create, update, disable, enable or erase tenants
  triggers keys …           create, list, revoke or rotate API keys
  triggers copy             move everything from one database to another
  triggers health           ask the server on this machine whether it is ready
  triggers version          print the version

Each command tells its flags with -h. A flag with a name in capitals beside it can
also be given in the environment or in a .env file: --rate-limit-per-minute is
RATE_LIMIT_PER_MINUTE. A flag beats the environment, and the environment beats .env.
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
	word := ""
	if len(args) > 0 {
		word, args = args[0], args[1:]
	}
	switch word {
	case "version", "--version":
		fmt.Fprintf(stdout, "triggers %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return 0
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	case "":
		fmt.Fprint(stderr, usage)
		return 2
	}
	c, err := newCommand(stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "triggers: %v\n", err)
		return 2
	}
	switch word {
	case "serve":
		err = c.serve(ctx, args)
	case "migrate":
		err = c.migrate(ctx, args)
	case "tenants":
		err = c.tenants().run(ctx, c, word, args)
	case "keys":
		err = c.keys().run(ctx, c, word, args)
	case "copy":
		err = c.copy(ctx, args)
	case "health":
		err = c.health(ctx, args)
	default:
		fmt.Fprintf(stderr, "triggers: unknown command %q\n\n%s", word, usage)
		err = errUsage
	}
	return c.exitCode(err)
}

func (c *command) serve(ctx context.Context, args []string) error {
	cfg, err := configure(c.env, args, c.stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		fmt.Fprintf(c.stderr, "triggers: the configuration is wrong:\n%v\n", err)
		return errUsage
	}
	return serve(ctx, cfg, c.stdout, c.stderr)
}
