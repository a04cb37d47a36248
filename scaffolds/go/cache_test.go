// scaffold:file if cache

package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestOpenCacheKeepsSecrets(t *testing.T) {
	for _, uri := range []string{"redis://user:hunter2@host:port/0", "http://user:hunter2@host/0"} {
		_, err := openCache(environment(map[string]string{"CACHE_URL": uri}))
		if err == nil {
			t.Fatalf("%s is taken", uri)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if _, err := openCache(environment(nil)); err == nil {
		t.Error("a cache without an address is taken")
	}
}

func TestNotReadyWithoutCache(t *testing.T) {
	// Port 1 is reserved: nothing listens there.
	c, err := openCache(environment(map[string]string{"CACHE_URL": "redis://:hunter2@127.0.0.1:1/0"}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	s := newService()
	s.useCache(c)
	if code, answer := get(t, s, "/ready"); code != http.StatusServiceUnavailable {
		t.Errorf("GET /ready: %d %v", code, answer)
	}
	if code, answer := get(t, s, "/"); code != http.StatusServiceUnavailable {
		t.Errorf("GET /: %d %v", code, answer)
	}
	if err := c.ping(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("ping: %v", err)
	}
}

func TestCache(t *testing.T) {
	if os.Getenv("CACHE_URL") == "" {
		t.Skip("CACHE_URL is not set: no cache to ask")
	}
	c, err := openCache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	s := newService()
	s.useCache(c)
	if code, answer := get(t, s, "/ready"); code != http.StatusOK {
		t.Errorf("GET /ready: %d %v", code, answer)
	}
	_, first := get(t, s, "/")
	_, second := get(t, s, "/")
	before, _ := first["visits"].(float64)
	after, _ := second["visits"].(float64)
	if before < 1 || after <= before {
		t.Errorf("visits: %v, then %v", first["visits"], second["visits"])
	}
}
