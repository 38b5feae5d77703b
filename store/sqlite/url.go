package sqlite

import (
	"errors"
	"strings"
)

// ParseURL reads a database URL in SQLAlchemy's form and returns the file's path: sqlite:///relative/path and
// sqlite:////absolute/path.
func ParseURL(url string) (path string, err error) {
	path, ok := strings.CutPrefix(url, "sqlite:///")
	switch {
	case !ok:
		return "", errors.New("must be sqlite:///relative/path or sqlite:////absolute/path")
	case path == "", strings.HasSuffix(path, "/"):
		return "", errors.New("must name a file, as in sqlite:///./data/events.db")
	case path == ":memory:":
		return "", errors.New("must name a file: an in-memory database would lose accepted events")
	case strings.ContainsAny(path, "?#%\x00"):
		return "", errors.New(`must not contain "?", "#" or "%"`)
	}
	return path, nil
}
