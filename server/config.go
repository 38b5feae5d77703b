package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/triggers-api/triggers/redisconn"
	"github.com/triggers-api/triggers/store"
)

// developmentKey is the API key that a server has when none is configured, outside production only.
const (
	developmentKey    = "dev_key_123"
	developmentTenant = "tenant_dev"
)

// config is everything that can be set. Each setting has a flag and an environment variable of the same name; settings
// in settings.go states them with their meaning, default and unit.
type config struct {
	appEnv string
	host   string
	port   int

	logLevel  string
	logFormat string
	debug     bool

	allowedOrigins  []string
	apiKeys         map[string]string // tenant by key
	disabledTenants []string

	adminKey string

	storage  storageConfig
	redisURL string

	maxPayloadBytes    int
	maxBatchBytes      int
	rateLimitPerMinute int
	retentionDays      int
	shutdownDelaySec   int
}

func (c *config) production() bool { return c.appEnv == "production" }

// configure reads flags, the environment and defaults, in this order, and reports all mistakes together. Help goes to
// out and returns flag.ErrHelp.
func configure(env map[string]string, args []string, out io.Writer) (*config, error) {
	cfg := &config{}
	s := newSettings("serve [flags]", out)
	s.choice(&cfg.appEnv, "APP_ENV", "production refuses to start with the development key, and has none by default", "development", "production")
	s.text(&cfg.host, "HOST", "127.0.0.1", "address to listen on; 0.0.0.0 for all")
	s.number(&cfg.port, "PORT", 8000, 0, 65535, "port to listen on; 0 picks a free one")
	s.choice(&cfg.logLevel, "LOG_LEVEL", "the least that is logged", "INFO", "DEBUG", "WARN", "ERROR")
	s.choice(&cfg.logFormat, "LOG_FORMAT", "text is for people at a terminal", "json", "text")
	s.flag(&cfg.debug, "DEBUG", false, "log everything; the same as LOG_LEVEL=DEBUG")
	s.list(&cfg.allowedOrigins, "CORS_ALLOWED_ORIGINS", "comma-separated web origins that may call the API, such as https://app.example.com; * for any", origin)
	s.keys(&cfg.apiKeys, "API_KEYS", "comma-separated key=tenant pairs; several keys may name one tenant")
	s.list(&cfg.disabledTenants, "DISABLED_TENANTS", "comma-separated tenants whose requests are answered 403", nil)
	s.secret(&cfg.adminKey, "ADMIN_API_KEY", "the operator's key for /admin, at least 16 characters, 32 in production; without it there is no /admin")
	cfg.storage.register(s)
	s.secret(&cfg.redisURL, "REDIS_URL", "redis://[:password@]host:port[/database], for limits that several instances share; without it each counts for itself")
	s.number(&cfg.maxPayloadBytes, "MAX_PAYLOAD_BYTES", 512<<10, 1, 1<<20, "largest body of one event, in bytes")
	s.number(&cfg.maxBatchBytes, "MAX_BATCH_BYTES", 1<<20, 1, 16<<20, "largest body of a batch, in bytes")
	s.number(&cfg.rateLimitPerMinute, "RATE_LIMIT_PER_MINUTE", 60, 0, 1_000_000_000, "requests that one key may make in a minute; 0 for no limit")
	s.number(&cfg.retentionDays, "RETENTION_DAYS", 90, 0, 36_500, "how long events are kept, in days, whatever their status; 0 keeps them")
	s.number(&cfg.shutdownDelaySec, "SHUTDOWN_DELAY_SEC", 0, 0, 300, "how long to go on answering after SIGTERM with /readyz at 503, in seconds, so that load balancers notice first")
	if _, err := s.read(env, args, 0); err != nil {
		return nil, err
	}
	return cfg, errors.Join(append(s.mistakes, cfg.check()...)...)
}

// check finds mistakes that no single setting shows.
func (c *config) check() (mistakes []error) {
	if err := c.storage.resolve(); err != nil {
		mistakes = append(mistakes, err)
	}
	for _, tenant := range c.apiKeys {
		if err := store.CheckTenantID(tenant); err != nil {
			mistakes = append(mistakes, fmt.Errorf("API_KEYS: the tenant of a pair %w", err))
			break
		}
	}
	if least := c.leastAdminKey(); c.adminKey != "" && (len(c.adminKey) < least || strings.ContainsFunc(c.adminKey, notVisible)) {
		mistakes = append(mistakes, fmt.Errorf("ADMIN_API_KEY: must be at least %d visible ASCII characters without spaces", least))
	}
	if _, ok := c.apiKeys[c.adminKey]; ok {
		mistakes = append(mistakes, errors.New("ADMIN_API_KEY: must not be one of API_KEYS"))
	}
	if c.redisURL != "" {
		if err := redisconn.CheckURL(c.redisURL); err != nil {
			mistakes = append(mistakes, fmt.Errorf("REDIS_URL: %w", err))
		}
	}
	if c.production() {
		if _, ok := c.apiKeys[developmentKey]; ok {
			mistakes = append(mistakes, errors.New("API_KEYS: must not contain the development key when APP_ENV=production"))
		}
	} else if len(c.apiKeys) == 0 {
		c.apiKeys = map[string]string{developmentKey: developmentTenant}
	}
	return mistakes
}

// leastAdminKey is the length that the operator's key must have.
func (c *config) leastAdminKey() int {
	if c.production() {
		return 32
	}
	return 16
}

func (c *config) shutdownDelay() time.Duration {
	return time.Duration(c.shutdownDelaySec) * time.Second
}

// baseURL is where people reach a server that listens on the given address.
func baseURL(listening netip.AddrPort) string {
	if listening.Addr().IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", listening.Port())
	}
	return "http://" + listening.String()
}

// origin checks a web origin (RFC 6454): scheme and host, nothing more.
func origin(s string) error {
	if s == "*" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || strings.Contains(s, "*") || (u.Scheme != "http" && u.Scheme != "https") || s != u.Scheme+"://"+u.Host {
		return errors.New("must be an origin such as https://app.example.com, without a path")
	}
	if port := u.Port(); s != strings.ToLower(s) || (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		return errors.New("must be an origin as browsers send it: in lower case, without the scheme's own port")
	}
	return nil
}
