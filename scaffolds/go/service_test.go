package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func works(context.Context) error { return nil }

func fails(context.Context) error { return errors.New("dial tcp: connection refused") }

// get asks the service and returns the status and the decoded answer.
func get(t *testing.T, s *service, path string) (int, map[string]any) {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	var answer map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		t.Fatalf("GET %s does not answer with JSON: %q", path, recorder.Body)
	}
	return recorder.Code, answer
}

func TestHealthLooksAtNoDependency(t *testing.T) {
	s := newService()
	s.checks = []check{{name: "database", probe: fails}}
	if code, answer := get(t, s, "/health"); code != http.StatusOK || answer["status"] != "ok" {
		t.Errorf("GET /health: %d %v", code, answer)
	}
}

func TestReady(t *testing.T) {
	for title, test := range map[string]struct {
		checks   []check
		draining bool
		code     int
		status   string
	}{
		"without dependencies":    {nil, false, http.StatusOK, "ready"},
		"all dependencies work":   {[]check{{"database", works}, {"cache", works}}, false, http.StatusOK, "ready"},
		"one dependency is away":  {[]check{{"database", works}, {"cache", fails}}, false, http.StatusServiceUnavailable, "not ready"},
		"told to stop":            {[]check{{"database", works}}, true, http.StatusServiceUnavailable, "stopping"},
		"the first one is away":   {[]check{{"database", fails}, {"cache", works}}, false, http.StatusServiceUnavailable, "not ready"},
		"stopping hides failures": {[]check{{"database", fails}}, true, http.StatusServiceUnavailable, "stopping"},
	} {
		t.Run(title, func(t *testing.T) {
			s := newService()
			s.checks = test.checks
			s.draining.Store(test.draining)
			code, answer := get(t, s, "/ready")
			if code != test.code || answer["status"] != test.status {
				t.Errorf("GET /ready: %d %v, want %d %s", code, answer, test.code, test.status)
			}
			if text, _ := json.Marshal(answer); strings.Contains(string(text), "refused") {
				t.Errorf("GET /ready tells strangers about the inside: %s", text)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	s := newService()
	s.facts = []fact{{"answer", func(context.Context) (any, error) { return 42, nil }}}
	code, answer := get(t, s, "/")
	if code != http.StatusOK || answer["service"] != name || answer["version"] != version || answer["answer"] != 42.0 {
		t.Errorf("GET /: %d %v", code, answer)
	}

	s.facts = append(s.facts, fact{"broken", func(context.Context) (any, error) { return nil, errors.New("secret detail") }})
	code, answer = get(t, s, "/")
	if code != http.StatusServiceUnavailable || answer["error"] != "broken is not available" {
		t.Errorf("GET / with a broken dependency: %d %v", code, answer)
	}
}

func TestOnlyKnownRoutesAnswer(t *testing.T) {
	for _, test := range []struct {
		method, path string
		code         int
	}{
		{http.MethodGet, "/nowhere", http.StatusNotFound},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodHead, "/health", http.StatusOK},
	} {
		recorder := httptest.NewRecorder()
		newService().handler().ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, nil))
		if recorder.Code != test.code {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, recorder.Code, test.code)
		}
	}
}

func TestMetricsCountRequestsByRoute(t *testing.T) {
	s := newService()
	handler := s.handler()
	for _, request := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/health", nil),
		httptest.NewRequest(http.MethodGet, "/health", nil),
		httptest.NewRequest(http.MethodGet, "/", nil),
		httptest.NewRequest(http.MethodGet, "/a/path/somebody/invented", nil),
		httptest.NewRequest("INVENTED", "/health", nil),
	} {
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`http_requests_total{method="GET",route="/health",status="200"} 2`,
		`http_requests_total{method="GET",route="/",status="200"} 1`,
		`http_requests_total{method="other",route="unmatched",status="404"} 1`,
		`http_requests_total{method="other",route="unmatched",status="405"} 1`,
		`http_request_duration_seconds_count{method="GET",route="/health"} 2`,
	} {
		if !strings.Contains(recorder.Body.String(), line+"\n") {
			t.Errorf("GET /metrics has no line %s", line)
		}
	}
	if strings.Contains(recorder.Body.String(), "nvented") {
		t.Error("a caller can invent labels")
	}
}

// A request that is running when the service is told to stop still gets its answer, and new connections
// are refused afterwards.
func TestServeFinishesRunningRequests(t *testing.T) {
	running, release := make(chan struct{}), make(chan struct{})
	s := newService()
	s.facts = []fact{{"slow", func(context.Context) (any, error) {
		close(running)
		<-release
		return "done", nil
	}}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, s, 0) }()

	answered := make(chan string, 1)
	go func() {
		response, err := http.Get(url)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	<-running
	stop()
	for !s.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	close(release)

	if answer := <-answered; !strings.Contains(answer, `"slow":"done"`) {
		t.Errorf("the running request got %q", answer)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("the service still answers after it stopped")
	}
}

func TestDrainTime(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 5 * time.Second, "0": 0, "20": 20 * time.Second} {
		got, err := drainTime(func(string) string { return text })
		if err != nil || got != want {
			t.Errorf("DRAIN_SECONDS=%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"-1", "soon", "1.5", "100000"} {
		if _, err := drainTime(func(string) string { return text }); err == nil {
			t.Errorf("DRAIN_SECONDS=%q is taken", text)
		}
	}
}
