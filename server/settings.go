package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/joho/godotenv"
)

// environment is what is set in the environment, and in the .env file for what is not. An empty value counts as not set.
func environment(file string, environ []string) (map[string]string, error) {
	env := map[string]string{}
	content, err := os.ReadFile(file) //nolint:gosec // the name is ours
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if err == nil {
		// The parser's own message would repeat the line, which may hold a key.
		if env, err = godotenv.UnmarshalBytes(content); err != nil {
			return nil, fmt.Errorf("%s: a line is not NAME=value", file)
		}
	}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); value != "" {
			env[name] = value
		}
	}
	return env, nil
}

// settings binds variables to flags and environment variables of the same name. It collects mistakes instead of stopping
// at the first. Messages never repeat a value: it may be a key.
type settings struct {
	flags    *flag.FlagSet
	line     string            // how the command is called, without "triggers"
	names    map[string]string // environment variable by flag; flags of a command alone have none
	mistakes []error
	help     func()
}

// newSettings begins the settings of a command; line is how that is called, without "triggers". Help goes to out.
func newSettings(line string, out io.Writer) *settings {
	s := &settings{flags: flag.NewFlagSet("triggers", flag.ContinueOnError), line: line, names: map[string]string{}}
	s.flags.SetOutput(io.Discard) // mistakes are collected
	s.flags.Usage = func() {}
	s.help = func() {
		fmt.Fprintln(out, "Usage: triggers "+line)
		s.flags.VisitAll(func(f *flag.Flag) {
			fmt.Fprintf(out, "  --%s", f.Name)
			if variable := s.names[f.Name]; variable != "" {
				fmt.Fprintf(out, " (%s)", variable)
			}
			fmt.Fprintf(out, "\n      %s", f.Usage)
			if f.DefValue != "" {
				fmt.Fprintf(out, " (default %s)", f.DefValue)
			}
			fmt.Fprintln(out)
		})
	}
	return s
}

// read applies the environment, then the flags, and returns the arguments that are no flags: so many must there be. They
// may stand before, between and behind the flags.
func (s *settings) read(env map[string]string, args []string, positional int) (arguments []string, err error) {
	s.flags.VisitAll(func(f *flag.Flag) {
		if value := env[s.names[f.Name]]; value != "" {
			_ = f.Value.Set(value) // mistakes are collected
		}
	})
	for {
		switch err := s.flags.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			s.help()
			return nil, err
		case err != nil:
			s.mistakes = append(s.mistakes, err)
			return arguments, nil
		}
		if s.flags.NArg() == 0 {
			break
		}
		arguments, args = append(arguments, s.flags.Arg(0)), s.flags.Args()[1:]
	}
	switch {
	case len(arguments) > positional:
		s.mistakes = append(s.mistakes, fmt.Errorf("%q is not a flag", arguments[positional]))
	case len(arguments) < positional:
		s.mistakes = append(s.mistakes, fmt.Errorf("something is missing: triggers %s", s.line))
	}
	return arguments, nil
}

// setting is a flag.Value. A value that set refuses is a mistake of its variable; the last value given counts.
type setting struct {
	variable string
	owner    *settings
	set      func(string) error
	shown    string // the default, for help
	boolean  bool
}

func (v *setting) Set(value string) error {
	if err := v.set(strings.TrimSpace(value)); err != nil {
		v.owner.mistakes = append(v.owner.mistakes, fmt.Errorf("%s: %w", v.variable, err))
	}
	return nil
}

func (v *setting) String() string   { return v.shown }
func (v *setting) IsBoolFlag() bool { return v.boolean }

func (s *settings) add(v *setting, meaning string) {
	v.owner = s
	name := strings.ReplaceAll(strings.ToLower(v.variable), "_", "-")
	s.names[name] = v.variable
	s.flags.Var(v, name, meaning)
}

// option is a flag of one command alone, which no variable sets.
func (s *settings) option(name, meaning string, set func(string) error) {
	s.flags.Var(&setting{variable: "--" + name, owner: s, set: set}, name, meaning)
}

// secret is a text that help does not show.
func (s *settings) secret(target *string, variable, meaning string) {
	s.add(&setting{variable: variable, set: func(value string) error {
		*target = value
		return nil
	}}, meaning)
}

func (s *settings) text(target *string, variable, preset, meaning string) {
	*target = preset
	s.add(&setting{variable: variable, shown: preset, set: func(value string) error {
		*target = value
		return nil
	}}, meaning)
}

// choice is one of a few words, in whatever case it is written; the first is the default.
func (s *settings) choice(target *string, variable, meaning string, words ...string) {
	*target = words[0]
	s.add(&setting{variable: variable, shown: words[0], set: func(value string) error {
		for _, word := range words {
			if strings.EqualFold(value, word) {
				*target = word
				return nil
			}
		}
		return fmt.Errorf("must be one of %s", strings.TrimPrefix(strings.Join(words, ", "), ", "))
	}}, strings.TrimPrefix(strings.Join(words, ", "), ", ")+"; "+meaning)
}

func (s *settings) number(target *int, variable string, preset, least, most int, meaning string) {
	*target = preset
	s.add(&setting{variable: variable, shown: strconv.Itoa(preset), set: func(value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return fmt.Errorf("must be a whole number from %d to %d", least, most)
		}
		*target = n
		return nil
	}}, meaning)
}

func (s *settings) flag(target *bool, variable string, preset bool, meaning string) {
	*target = preset
	s.add(&setting{variable: variable, shown: strconv.FormatBool(preset), boolean: true, set: func(value string) error {
		on, err := strconv.ParseBool(strings.ToLower(value))
		if err != nil {
			return errors.New("must be true or false")
		}
		*target = on
		return nil
	}}, meaning)
}

func (s *settings) list(target *[]string, variable, meaning string, check func(string) error) {
	s.add(&setting{variable: variable, set: func(value string) error {
		*target = nil
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if check != nil {
				if err := check(item); err != nil {
					return err
				}
			}
			*target = append(*target, item)
		}
		return nil
	}}, meaning)
}

func (s *settings) keys(target *map[string]string, variable, meaning string) {
	s.add(&setting{variable: variable, set: func(value string) (err error) {
		*target, err = parseKeys(value)
		return err
	}}, meaning)
}

// parseKeys reads key=tenant pairs. The last "=" divides, because keys in base64 end with it.
func parseKeys(s string) (map[string]string, error) {
	keys := map[string]string{}
	n := 0
	for pair := range strings.SplitSeq(s, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		n++
		i := strings.LastIndexByte(pair, '=')
		if i < 0 {
			return nil, fmt.Errorf("pair %d must be key=tenant", n)
		}
		key, tenant := strings.TrimSpace(pair[:i]), strings.TrimSpace(pair[i+1:])
		switch {
		case key == "" || tenant == "":
			return nil, fmt.Errorf("pair %d must be key=tenant, neither of them empty", n)
		case strings.ContainsFunc(key, notVisible):
			return nil, fmt.Errorf("pair %d: the key must be visible ASCII without spaces", n)
		case keys[key] != "" && keys[key] != tenant:
			return nil, fmt.Errorf("pair %d: the key was given to another tenant before", n)
		}
		keys[key] = tenant
	}
	return keys, nil
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }
