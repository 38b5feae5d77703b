// Package main is the project's benchmark: it builds the server, runs it as an operator would (its defaults, on disk,
// logging), loads it from outside through the HTTP API alone, and prints what it measured beside the project's budgets.
// Run it with
//
//	go run ./tests/bench
//
// Rates depend on the machine, so the accept rate is a ratio to a "bare" Echo handler, which only decodes the body and
// answers JSON, under the same load tool in the same run. A missed budget is a finding, not a failure: only an error
// (any answer that is not 2xx, a lost connection, a missing event) makes the exit code 1.
//
// It needs Linux, for /proc, and wrk and PostgreSQL, which it installs where apt-get can.
package main
