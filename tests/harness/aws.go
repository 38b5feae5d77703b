package harness

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// motoRequirement is the AWS-compatible server. Its extra "server" is all that its HTTP server needs.
const motoRequirement = "moto[server]==5.2.5"

//go:embed aws.py
var awsScript string

// AWSServer is a running server that speaks the protocols of DynamoDB and SQS. It keeps everything in memory, serves one
// request at a time, and takes any credentials.
type AWSServer struct {
	Endpoint string // http://127.0.0.1:port

	cmd    *exec.Cmd
	stdin  io.Closer // the server ends when this is closed, be it by the end of this process
	stderr strings.Builder
}

// StartAWS starts a server that is stopped when the test ends.
func StartAWS(t *testing.T) *AWSServer {
	t.Helper()
	s, err := startAWS(motoPython(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

var sharedAWS struct {
	sync.Mutex
	server *AWSServer
}

// SharedAWS returns the server that all tests of this process share, which is started when first asked for. TestMain
// has to stop it, see Tests.
func SharedAWS(t *testing.T) *AWSServer {
	t.Helper()
	sharedAWS.Lock()
	defer sharedAWS.Unlock()
	if sharedAWS.server == nil {
		s, err := startAWS(motoPython(t))
		if err != nil {
			t.Fatal(err)
		}
		sharedAWS.server = s
	}
	return sharedAWS.server
}

// stopSharedAWS stops what SharedAWS started, if it did.
func stopSharedAWS() {
	sharedAWS.Lock()
	defer sharedAWS.Unlock()
	if sharedAWS.server != nil {
		sharedAWS.server.Stop()
		sharedAWS.server = nil
	}
}

// motoPython returns the interpreter that has moto.
func motoPython(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pythonTimeout)
	defer cancel()
	// Two test binaries would make the environment at the same time, each clearing what the other has done.
	turn := flock.New(filepath.Join(os.TempDir(), "triggers-tests-moto.lock"))
	if _, err := turn.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	defer turn.Unlock() //nolint:errcheck // released with the process at the latest
	return filepath.Join(filepath.Dir(PythonTool(t, motoRequirement, "moto_server")), "python3")
}

func startAWS(python string) (_ *AWSServer, err error) {
	// Under no test's context, because a shared server outlives the test that started it.
	s := &AWSServer{cmd: exec.Command(python, "-c", awsScript)}
	// boto reads AWS_* too, and stumbles over a profile that is not there.
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	s.cmd.Stderr = &s.stderr
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.stdin = stdin
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	giveUp := time.AfterFunc(startTimeout, func() { _ = s.cmd.Process.Kill() })
	defer giveUp.Stop()
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("moto did not start: %w\n%s", err, tail(s.stderr.String()))
	}
	s.Endpoint = "http://127.0.0.1:" + strings.TrimSpace(port)
	return s, nil
}

// Stop ends the server. What it held is gone.
func (s *AWSServer) Stop() {
	_ = s.stdin.Close()
	giveUp := time.AfterFunc(stopTimeout, func() { _ = s.cmd.Process.Kill() })
	defer giveUp.Stop()
	_ = s.cmd.Wait()
}
