// Package tests holds black-box tests of the built server. Each file is about one subject; what they share is in
// harness, and the benchmark is in bench.
package tests
