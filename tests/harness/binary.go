package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Root is the repository's directory.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "triggers-test-")
	if err != nil {
		return "", err
	}
	// Where non-root servers run, they have to be able to execute it.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "triggers")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	if os.Getenv("SERVER_COVERDIR") != "" {
		args = append(args, "-cover", "-coverpkg=github.com/triggers-api/triggers/...")
	}
	cmd := exec.Command("go", append(args, "./server")...)
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return path, nil
})

// Binary builds the server once per test binary, with the race detector if the tests have it and counting coverage if
// SERVER_COVERDIR says where to (go test keeps GOCOVERDIR for itself).
func Binary(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
