// scaffold:file if database or cache

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// address finds the address of a dependency: the environment variable if it is set, else the uri of the
// binding with one of the given types under SERVICE_BINDING_ROOT (https://servicebinding.io).
// The address holds a password: it belongs into no log and no error.
func address(getenv func(string) string, variable string, types ...string) (string, error) {
	if value := getenv(variable); value != "" {
		return value, nil
	}
	root := getenv("SERVICE_BINDING_ROOT")
	if root == "" {
		return "", fmt.Errorf("neither %s nor SERVICE_BINDING_ROOT is set", variable)
	}
	bindings, err := os.ReadDir(root)
	if err != nil {
		return "", fmt.Errorf("read the bindings: %w", err)
	}
	for _, binding := range bindings {
		kind, err := readEntry(root, binding.Name(), "type")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if slices.Contains(types, kind) {
			return readEntry(root, binding.Name(), "uri")
		}
	}
	return "", fmt.Errorf("%s is not set and no binding under %s is of type %s", variable, root, strings.Join(types, " or "))
}

func readEntry(root, binding, entry string) (string, error) {
	content, err := os.ReadFile(filepath.Join(root, binding, entry))
	if err != nil {
		return "", fmt.Errorf("read the binding %s: %w", binding, err)
	}
	return strings.TrimSpace(string(content)), nil
}
