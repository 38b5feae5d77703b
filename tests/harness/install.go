package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// installTimeout is how long installing a Debian package may take, waiting for other tests that install included.
const installTimeout = 8 * time.Minute

// Install makes sure that a command is there, by installing the Debian package it comes with, and returns its path. A
// test that cannot have what it needs fails.
func Install(t *testing.T, command, debianPackage string) string {
	t.Helper()
	if path, err := exec.LookPath(command); err == nil {
		return path
	}
	InstallPackage(t, debianPackage)
	path, err := exec.LookPath(command)
	if err != nil {
		t.Fatalf("%s is not there although %s was installed: %v", command, debianPackage, err)
	}
	return path
}

// InstallPackage installs a Debian package, as root or with sudo.
func InstallPackage(t *testing.T, debianPackage string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
	defer cancel()
	// apt does not wait for another apt, so tests that install take turns.
	turn := flock.New(filepath.Join(os.TempDir(), "triggers-tests-apt.lock"))
	if _, err := turn.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	defer turn.Unlock() //nolint:errcheck // released with the process at the latest
	var sudo []string
	if os.Geteuid() != 0 {
		sudo = []string{"sudo", "-n"}
	}
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", debianPackage}} {
		line := append(append(sudo, "apt-get", "-q"), args...)
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("this test needs the Debian package %s: %v", debianPackage, fmt.Errorf("%w\n%s", err, out))
		}
	}
}
