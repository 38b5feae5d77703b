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
	path, err := Command(t.Context(), command, debianPackage)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// InstallPackage installs a Debian package, as root or with sudo.
func InstallPackage(t *testing.T, debianPackage string) {
	t.Helper()
	if err := installPackage(t.Context(), debianPackage); err != nil {
		t.Fatal(err)
	}
}

// Command is Install for programs that are not tests.
func Command(ctx context.Context, command, debianPackage string) (string, error) {
	if path, err := exec.LookPath(command); err == nil {
		return path, nil
	}
	if err := installPackage(ctx, debianPackage); err != nil {
		return "", err
	}
	path, err := exec.LookPath(command)
	if err != nil {
		return "", fmt.Errorf("%s is not there although %s was installed: %w", command, debianPackage, err)
	}
	return path, nil
}

func installPackage(ctx context.Context, debianPackage string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	// apt does not wait for another apt, so tests that install take turns.
	turn := flock.New(filepath.Join(os.TempDir(), "triggers-tests-apt.lock"))
	if _, err := turn.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return err
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
			return fmt.Errorf("the Debian package %s is needed: %w\n%s", debianPackage, err, out)
		}
	}
	return nil
}
