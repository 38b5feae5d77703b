// Package harness starts the built server for black-box tests, talks to it, and checks every answer against the
// contract. It installs what the tests need and the machine lacks.
package harness
