package tests

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/triggers-api/triggers/tests/harness"
)

// There is no Docker where these tests run, so they look at what it would be told.

func TestDockerfile(t *testing.T) {
	t.Parallel()
	dockerfile := readFile(t, "Dockerfile")
	t.Run("GoVersion", func(t *testing.T) {
		t.Parallel()
		needed := match(t, readFile(t, "go.mod"), `(?m)^go (\d+\.\d+)`)
		if image := match(t, dockerfile, `(?m)^FROM golang:(\S+)`); image != needed {
			t.Errorf("the image is built with Go %s, go.mod says %s", image, needed)
		}
	})
	// What .dockerignore leaves out, the build does not find.
	t.Run("Context", func(t *testing.T) {
		t.Parallel()
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}", "./server")
		cmd.Dir = harness.Root()
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		root, err := filepath.EvalSymlinks(harness.Root())
		if err != nil {
			t.Fatal(err)
		}
		ignored := readFile(t, ".dockerignore")
		for line := range strings.Lines(string(out)) {
			dir, err := filepath.Rel(root, strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			top, _, _ := strings.Cut(filepath.ToSlash(dir), "/")
			if !strings.Contains(ignored, "\n!"+top+"\n") {
				t.Errorf("the server is built from %s, which .dockerignore leaves out", top)
			}
		}
	})
	// The check that the image declares, with the settings it has.
	t.Run("Health", func(t *testing.T) {
		t.Parallel()
		if !strings.Contains(dockerfile, `CMD ["/triggers", "health"]`) {
			t.Fatal("the image has another health check")
		}
		server := harness.Start(t, harness.Options{Env: []string{"HOST=0.0.0.0"}})
		u, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		health := func() error {
			cmd := exec.Command(harness.Binary(t), "health")
			cmd.Dir, cmd.Env = t.TempDir(), []string{"HOST=0.0.0.0", "PORT=" + u.Port(), "GOCOVERDIR=" + os.Getenv("SERVER_COVERDIR")}
			return cmd.Run()
		}
		if err := health(); err != nil {
			t.Errorf("the server runs: %v", err)
		}
		server.Stop()
		if err := health(); err == nil {
			t.Error("the server was stopped, and is healthy")
		}
	})
}

func TestCompose(t *testing.T) {
	t.Parallel()
	text := readFile(t, "deploy/compose.yaml")
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Volumes     []string
			DependsOn   map[string]any `yaml:"depends_on"`
			Healthcheck map[string]any
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal([]byte(text), &compose); err != nil {
		t.Fatal(err)
	}
	t.Run("Names", func(t *testing.T) {
		t.Parallel()
		for name, service := range compose.Services {
			for other := range service.DependsOn {
				if compose.Services[other].Healthcheck == nil {
					t.Errorf("%s waits for %s to be healthy, which has no health check", name, other)
				}
			}
			for _, mount := range service.Volumes {
				volume, _, _ := strings.Cut(mount, ":")
				if _, ok := compose.Volumes[volume]; !ok {
					t.Errorf("%s mounts the volume %s, which is not declared", name, volume)
				}
			}
		}
	})
	t.Run("Settings", func(t *testing.T) {
		t.Parallel()
		help, err := exec.Command(harness.Binary(t), "serve", "-h").Output()
		if err != nil {
			t.Fatal(err)
		}
		drivers := []string{"PGPASSWORD"}
		for name := range compose.Services["server"].Environment {
			if !slices.Contains(drivers, name) && !strings.Contains(string(help), "("+name+")") {
				t.Errorf("the server has no setting %s", name)
			}
		}
	})
	t.Run("NoDefaultSecrets", func(t *testing.T) {
		t.Parallel()
		for _, found := range regexp.MustCompile(`\$\{[A-Z_]*(?:PASSWORD|KEYS?)\b[^}]*\}`).FindAllString(text, -1) {
			if value := match(t, found, `^\$\{[A-Z_]+(.*)\}$`); value != ":-" && !strings.HasPrefix(value, ":?") {
				t.Errorf("%s is neither required nor empty by default", found)
			}
		}
	})
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(harness.Root(), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// match returns what the pattern's group matches.
func match(t *testing.T, text, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("nothing matches %s", pattern)
	}
	return found[1]
}
