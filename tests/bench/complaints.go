package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// complaint is a kind of log line that is worse than INFO.
type complaint struct {
	Level, Msg, Code, Error string
	Status                  int
}

// complaints prints what the server's log complained about, one line for each kind. They are no errors of the run: when
// wrk ends, it drops the requests in flight, and the server may say so.
func (t *target) complaints() error {
	file, err := os.Open(filepath.Join(t.dir, "stdout"))
	if err != nil {
		return err
	}
	defer file.Close()
	counts := map[complaint]int{}
	for in := bufio.NewReader(file); err == nil; {
		var line []byte
		line, err = in.ReadBytes('\n')
		if !bytes.Contains(line, []byte(`"level":"WARN"`)) && !bytes.Contains(line, []byte(`"level":"ERROR"`)) {
			continue
		}
		var c complaint
		if json.Unmarshal(line, &c) == nil {
			counts[c]++
		}
	}
	for c, n := range counts {
		fmt.Printf("%s logged %d× %s %q, status %d, code %q: %s\n", t.name, n, c.Level, c.Msg, c.Status, c.Code, c.Error)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
