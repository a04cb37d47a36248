// scaffold:file if database or cache

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// environment makes a getenv of pairs.
func environment(pairs map[string]string) func(string) string {
	return func(variable string) string { return pairs[variable] }
}

// bind writes one binding as Kubernetes mounts it.
func bind(t *testing.T, root, binding string, entries map[string]string) {
	t.Helper()
	folder := filepath.Join(root, binding)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for entry, content := range entries {
		if err := os.WriteFile(filepath.Join(folder, entry), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAddress(t *testing.T) {
	root := t.TempDir()
	bind(t, root, "a-cache", map[string]string{"type": "redis", "uri": "redis://cache:6379\n"})
	bind(t, root, "b-database", map[string]string{"type": "postgresql\n", "uri": "postgres://database"})
	bind(t, root, "c-queue", map[string]string{"type": "rabbitmq"})
	bind(t, root, "..data", map[string]string{"uri": "no type"})

	for title, test := range map[string]struct {
		environment map[string]string
		types       []string
		want        string
		err         string
	}{
		"the variable wins":  {map[string]string{"X_URL": "redis://here", "SERVICE_BINDING_ROOT": root}, []string{"redis"}, "redis://here", ""},
		"a binding":          {map[string]string{"SERVICE_BINDING_ROOT": root}, []string{"redis"}, "redis://cache:6379", ""},
		"one of two types":   {map[string]string{"SERVICE_BINDING_ROOT": root}, []string{"postgres", "postgresql"}, "postgres://database", ""},
		"no such binding":    {map[string]string{"SERVICE_BINDING_ROOT": root}, []string{"mysql"}, "", "of type mysql"},
		"a binding, no uri":  {map[string]string{"SERVICE_BINDING_ROOT": root}, []string{"rabbitmq"}, "", "c-queue"},
		"no such folder":     {map[string]string{"SERVICE_BINDING_ROOT": root + "/none"}, []string{"redis"}, "", "read the bindings"},
		"nothing to look at": {nil, []string{"redis"}, "", "neither X_URL nor SERVICE_BINDING_ROOT"},
	} {
		t.Run(title, func(t *testing.T) {
			got, err := address(environment(test.environment), "X_URL", test.types...)
			if got != test.want {
				t.Errorf("address: %q, want %q", got, test.want)
			}
			if (err == nil) != (test.err == "") || (err != nil && !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error: %v, want %q", err, test.err)
			}
		})
	}
}
