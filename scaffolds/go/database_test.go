// scaffold:file if database

package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestOpenDatabaseKeepsSecrets(t *testing.T) {
	for _, uri := range []string{"postgres://user:hunter2@host:port/name", "mysql://user:hunter2@host/name"} {
		_, err := openDatabase(environment(map[string]string{"DATABASE_URL": uri}))
		if err == nil {
			t.Fatalf("%s is taken", uri)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if _, err := openDatabase(environment(nil)); err == nil {
		t.Error("a database without an address is taken")
	}
}

func TestNotReadyWithoutDatabase(t *testing.T) {
	// Port 1 is reserved: nothing listens there.
	d, err := openDatabase(environment(map[string]string{"DATABASE_URL": "postgres://user:hunter2@127.0.0.1:1/name"}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	s := newService()
	s.useDatabase(d)
	if code, answer := get(t, s, "/ready"); code != http.StatusServiceUnavailable {
		t.Errorf("GET /ready: %d %v", code, answer)
	}
	if code, answer := get(t, s, "/"); code != http.StatusServiceUnavailable {
		t.Errorf("GET /: %d %v", code, answer)
	}
	if err := d.ping(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("ping: %v", err)
	}
}

func TestDatabase(t *testing.T) {
	if os.Getenv("DATABASE_URL") == "" {
		t.Skip("DATABASE_URL is not set: no database to ask")
	}
	d, err := openDatabase(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	s := newService()
	s.useDatabase(d)
	if code, answer := get(t, s, "/ready"); code != http.StatusOK {
		t.Errorf("GET /ready: %d %v", code, answer)
	}
	code, answer := get(t, s, "/")
	if database, _ := answer["database"].(string); code != http.StatusOK || database == "" {
		t.Errorf("GET /: %d %v", code, answer)
	}
}
