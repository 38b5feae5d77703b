package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// command is one invocation of triggers.
type command struct {
	env            map[string]string
	stdout, stderr io.Writer
}

// commandTimeout bounds commands that change or show a few things.
const commandTimeout = 30 * time.Second

// errUsage says that a command line was not understood; what is wrong has been told.
var errUsage = errors.New("not understood")

// family is a group of commands, such as "keys": the next word says which one.
type family map[string]struct {
	line string // how it is called, without "triggers" and the family's name
	run  func(ctx context.Context, line string, args []string) error
}

func (f family) run(ctx context.Context, c *command, name string, args []string) error {
	word := ""
	if len(args) > 0 {
		word, args = args[0], args[1:]
	}
	if sub, ok := f[word]; ok {
		return sub.run(ctx, name+" "+sub.line, args)
	}
	out, err := c.stderr, errUsage
	switch word {
	case "-h", "--help", "help":
		out, err = c.stdout, nil
	case "":
	default:
		fmt.Fprintf(out, "triggers: unknown command %q\n\n", name+" "+word)
	}
	fmt.Fprintln(out, "Usage:")
	for _, word := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintf(out, "  triggers %s %s\n", name, f[word].line)
	}
	return err
}

// parse reads the flags of a command: where the store is, and its own, which register adds. It returns the arguments.
func (c *command) parse(line string, args []string, positional int, register func(*settings)) (*storageConfig, []string, error) {
	storage := &storageConfig{}
	s := newSettings(line, c.stdout)
	if register != nil {
		register(s)
	}
	storage.register(s)
	arguments, err := s.read(c.env, args, positional)
	if err != nil {
		return nil, nil, err
	}
	mistakes := s.mistakes
	if err := storage.resolve(); err != nil {
		mistakes = append(mistakes, err)
	}
	if len(mistakes) > 0 {
		return nil, nil, c.mistaken(line, errors.Join(mistakes...))
	}
	return storage, arguments, nil
}

// mistaken tells what is wrong with a command line.
func (c *command) mistaken(line string, what error) error {
	fmt.Fprintf(c.stderr, "triggers %s: %v\n", strings.Fields(line)[0], what)
	return errUsage
}

// naming sets a name that people see, as the contract has it.
func naming(most int, set func(string)) func(string) error {
	return func(name string) error {
		if utf8.RuneCountInString(name) > most || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
			return fmt.Errorf("must have at most %d characters, none of them a control character", most)
		}
		set(name)
		return nil
	}
}

// registry opens the tenants and keys for the time of a call.
func (c *command) registry(ctx context.Context, storage *storageConfig, use func(context.Context, registry) error) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if path := storage.engine.path; path != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the operator's own path
			return fmt.Errorf("there is no database %s: start the server, or run \"triggers migrate\", to make one", path)
		}
	}
	// Looking at a database must not change its schema.
	r, err := storage.engine.openRegistry(ctx, engineOptions{idempotencyTTL: storage.idempotencyTTL()})
	if err != nil {
		return err
	}
	return errors.Join(use(ctx, r), r.Close())
}

// exitCode turns a command's error into the process's exit code: 0 done, 1 failed, 2 not understood.
func (c *command) exitCode(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	default:
		fmt.Fprintf(c.stderr, "triggers: %v\n", err)
		return 1
	}
}

// newCommand reads the environment and the .env file.
func newCommand(stdout, stderr io.Writer) (*command, error) {
	env, err := environment(".env", os.Environ())
	if err != nil {
		return nil, err
	}
	// The AWS SDK reads its credentials and the like from the environment itself.
	for name, value := range env {
		if strings.HasPrefix(name, "AWS_") && os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				return nil, fmt.Errorf("set %s: %w", name, err)
			}
		}
	}
	return &command{env: env, stdout: stdout, stderr: stderr}, nil
}
