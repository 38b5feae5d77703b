package tests

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/triggers-api/triggers/tests/harness"
)

// The documentation page works in a browser: it loads nothing from elsewhere, breaks none of its own rules, and sends
// requests with the key that a person gives it.
func TestDocsInBrowser(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	nameless := server.Client(t, harness.Key).Post(`{"payload":{}}`)
	page := openBrowser(t)
	page.do("open", chromedp.Navigate(server.URL+"/"), chromedp.WaitVisible(chromedp.CSS(`#operations-Events-createEvent`)))
	if at := ask(page, chromedp.Location()); at != server.URL+"/docs" {
		t.Errorf("/ leads to %s", at)
	}
	page.do("authorize",
		chromedp.Click(chromedp.CSS(`.auth-wrapper .authorize`)),
		chromedp.SendKeys(chromedp.CSS(`.auth-container:first-of-type #auth-bearer-value`), harness.Key),
		chromedp.Click(chromedp.CSS(`.auth-container:first-of-type button.authorize`)),
		chromedp.WaitNotPresent(chromedp.CSS(`.auth-container:first-of-type #auth-bearer-value`)), // it shows that there is a key instead
		chromedp.Click(chromedp.CSS(`.modal-ux .btn-done`)),
	)
	answer := page.execute(`#operations-Events-createEvent`)
	id := eventIDInside.FindString(answer)
	if id == "" {
		t.Errorf("POST /events: %s", answer)
	}
	// The one without names would be missing if the page had filled in a filter by itself.
	if answer := page.execute(`#operations-Inbox-listInbox`); !strings.Contains(answer, id) || !strings.Contains(answer, nameless) {
		t.Errorf("GET /inbox: %s", answer)
	}
	page.check(server.URL)
	// For people to look at: go test -artifacts -outputdir=… keeps it.
	picture := ask(page, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "docs.png"), picture, 0o600); err != nil {
		t.Error(err)
	}
}

var eventIDInside = regexp.MustCompile(`evt_[0-7][0-9A-HJKMNP-TV-Z]{25}`)

// browserTimeout is how long one thing done in the browser may take.
const browserTimeout = 60 * time.Second

// page is a browser's page. It remembers what went wrong in it and what it loaded.
type page struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp's contexts are what it calls a page

	mu       sync.Mutex
	problems []string
	requests []string
}

// openBrowser starts a browser with nothing in it, and ends it with the test.
func openBrowser(t *testing.T) *page {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(harness.Install(t, "chromium", "chromium")), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 1024),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(options...))
	t.Cleanup(cancel)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("close the browser: %v", err)
		}
	})
	p := &page{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.notice); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *page) notice(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *log.EventEntryAdded: // what the browser itself says, such as that the content security policy was broken
		if e.Entry.Level == log.EntryLevelError {
			p.problems = append(p.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			for _, a := range e.Args {
				p.problems = append(p.problems, string(a.Value)+a.Description)
			}
		}
	}
}

// check fails the test if the page complained or loaded something from elsewhere.
func (p *page) check(base string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		p.t.Errorf("the browser's console: %s", problem)
	}
	for _, request := range p.requests {
		if u, err := url.Parse(request); err != nil || (u.Scheme != "data" && !strings.HasPrefix(request, base+"/")) {
			p.t.Errorf("a request to elsewhere: %s", request)
		}
	}
	if len(p.requests) == 0 {
		p.t.Error("no requests were seen")
	}
}

func (p *page) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

func ask[T any](p *page, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatal(err)
	}
	return value
}

// execute sends an operation's request from the page and returns what the page shows of a 200.
func (p *page) execute(operation string) string {
	p.t.Helper()
	answer := operation + ` .live-responses-table .response`
	p.do(operation,
		chromedp.Click(chromedp.CSS(operation+` .opblock-summary-control`)),
		chromedp.Click(chromedp.CSS(operation+` .execute`)),
		chromedp.WaitVisible(chromedp.CSS(answer)),
	)
	text := ask(p, chromedp.Text(chromedp.CSS(answer)))
	if !strings.HasPrefix(text, "200") {
		p.t.Errorf("%s: %s", operation, text)
	}
	return text
}
