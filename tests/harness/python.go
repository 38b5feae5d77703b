package harness

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// pythonTimeout is how long installing a package from PyPI may take.
const pythonTimeout = 5 * time.Minute

// PythonTool returns the path of a command that comes with a package of PyPI, such as "schemathesis==4.32.5". It is
// installed into an environment of its own, which is kept for the next run.
func PythonTool(t *testing.T, requirement, command string) string {
	t.Helper()
	Install(t, "python3", "python3")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "triggers-tests", requirement)
	path := filepath.Join(dir, "bin", command)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), pythonTimeout)
	defer cancel()
	if err := exec.CommandContext(ctx, "python3", "-c", "import ensurepip").Run(); err != nil {
		InstallPackage(t, "python3-venv")
	}
	for _, line := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{filepath.Join(dir, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", requirement},
	} {
		if out, err := exec.CommandContext(ctx, line[0], line[1:]...).CombinedOutput(); err != nil {
			t.Fatal(errors.Join(err, os.RemoveAll(dir)), "\n"+string(out))
		}
	}
	return path
}
