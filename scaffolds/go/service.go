package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// checkTimeout bounds one look at a dependency.
const checkTimeout = 2 * time.Second

// service answers the requests. It is complete once every use… method was called that applies.
type service struct {
	metrics  *metrics
	checks   []check
	facts    []fact
	draining atomic.Bool
}

// check says whether something that the service depends on can be used.
type check struct {
	name  string
	probe func(context.Context) error
}

// fact is one entry of the answer to GET /.
type fact struct {
	name string
	read func(context.Context) (any, error)
}

func newService() *service {
	return &service{metrics: newMetrics()}
}

// handler routes the requests.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /ready", s.ready)
	mux.Handle("GET /metrics", s.metrics.handler())
	return s.metrics.observe(mux)
}

// index tells who answers, and shows that the dependencies work.
func (s *service) index(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()

	answer := map[string]any{"service": name, "version": version}
	for _, fact := range s.facts {
		value, err := fact.read(ctx)
		if err != nil {
			slog.ErrorContext(ctx, "request failed", "dependency", fact.name, "error", err)
			writeJSON(w, http.StatusServiceUnavailable, map[string]any{"error": fact.name + " is not available"})
			return
		}
		answer[fact.name] = value
	}
	writeJSON(w, http.StatusOK, answer)
}

// health says that the process lives. It looks at no dependency: a restart would not mend one.
func (s *service) health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"status": "ok"})
}

// ready says whether requests should come here: not while stopping, and not without the dependencies.
func (s *service) ready(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"status": "stopping"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()

	status, code := "ready", http.StatusOK
	results := map[string]string{}
	for _, check := range s.checks {
		results[check.name] = "ok"
		if err := check.probe(ctx); err != nil {
			slog.WarnContext(ctx, "not ready", "dependency", check.name, "error", err)
			results[check.name] = "not available"
			status, code = "not ready", http.StatusServiceUnavailable
		}
	}
	writeJSON(w, code, map[string]any{"status": status, "checks": results})
}

// serve answers requests until ctx ends. Then it says on /ready that it stops, keeps answering for the
// drain time, takes no new connections and lets running requests finish.
func serve(ctx context.Context, listener net.Listener, s *service, drain time.Duration) error {
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       60 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}

	s.draining.Store(true)
	slog.Info("stopping", "drain", drain.String())
	time.Sleep(drain)
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		return fmt.Errorf("requests still running after %s: %w", shutdownTimeout, err)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		slog.Debug("answer not sent", "error", err)
	}
}
