// Package recording writes down what the tests of structured-merge-diff do: one JSON object a line, into the file that
// RECORDING names. It is put beside the library's own packages, in a copy of the module.
package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

var (
	lock sync.Mutex
	file *os.File
	runs int
	seen = map[string]int{}
)

// Line is one JSON object.
type Line map[string]any

// On says whether anything is to be written down.
func On() bool { return os.Getenv("RECORDING") != "" }

// NextRun gives each run of a test a number.
func NextRun() int {
	lock.Lock()
	defer lock.Unlock()
	runs++
	return runs
}

// Write writes a line.
func Write(line Line) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(fmt.Sprintf("cannot write down %v: %v", line, err))
	}
	lock.Lock()
	defer lock.Unlock()
	writeLocked(text)
}

func writeLocked(text []byte) {
	if file == nil {
		opened, err := os.OpenFile(os.Getenv("RECORDING"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			panic(err)
		}
		file = opened
	}
	if _, err := file.Write(append(text, '\n')); err != nil {
		panic(err)
	}
}

// Types is the number of a schema; the first time the schema itself is written too.
func Types(types *schema.Schema) int {
	named := map[string]any{}
	for _, definition := range types.Types {
		if _, ok := named[definition.Name]; !ok {
			named[definition.Name] = atom(definition.Atom)
		}
	}
	text, err := json.Marshal(named)
	if err != nil {
		panic(err)
	}
	lock.Lock()
	defer lock.Unlock()
	number, known := seen[string(text)]
	if !known {
		number = len(seen)
		seen[string(text)] = number
		writeLocked([]byte(fmt.Sprintf(`{"schema":%d,"types":%s}`, number, text)))
	}
	return number
}

// Reference is a place's type: a name, or what it is, and how its elements are shared where the place says so.
func Reference(reference schema.TypeRef) any {
	out := map[string]any{}
	if reference.NamedType != nil {
		out["named"] = *reference.NamedType
	} else {
		out["inlined"] = atom(reference.Inlined)
	}
	if reference.ElementRelationship != nil {
		out["relationship"] = *reference.ElementRelationship
	}
	return out
}

func atom(of schema.Atom) any {
	out := map[string]any{}
	if of.Scalar != nil {
		out["scalar"] = string(*of.Scalar)
	}
	if of.List != nil {
		out["list"] = map[string]any{
			"items":        Reference(of.List.ElementType),
			"relationship": of.List.ElementRelationship,
			"keys":         of.List.Keys,
		}
	}
	if of.Map != nil {
		fields := map[string]any{}
		for _, field := range of.Map.Fields {
			entry := map[string]any{"type": Reference(field.Type)}
			if field.Default != nil {
				entry["default"] = json.RawMessage(JSON(value.NewValueInterface(field.Default)))
			}
			fields[field.Name] = entry
		}
		entry := map[string]any{"fields": fields, "relationship": of.Map.ElementRelationship}
		element := of.Map.ElementType
		empty := element.NamedType == nil && element.Inlined == (schema.Atom{})
		if !empty {
			entry["values"] = Reference(element)
		}
		out["map"] = entry
	}
	return out
}

// JSON is a value as JSON, null for none.
func JSON(of value.Value) json.RawMessage {
	if of == nil {
		return json.RawMessage("null")
	}
	text, err := value.ToJSON(of)
	if err != nil {
		panic(fmt.Sprintf("cannot write down a value: %v", err))
	}
	return bytes.TrimSpace(text)
}

// Fields is a set of paths in the form of fieldsV1, null for none.
func Fields(set *fieldpath.Set) json.RawMessage {
	if set == nil {
		return json.RawMessage("null")
	}
	text, err := set.ToJSON()
	if err != nil {
		panic(fmt.Sprintf("cannot write down a set: %v", err))
	}
	return text
}

// Managers is who manages what.
func Managers(managers fieldpath.ManagedFields) any {
	out := map[string]any{}
	for name, set := range managers {
		out[name] = map[string]any{
			"version": set.APIVersion(),
			"applied": set.Applied(),
			"fields":  Fields(set.Set()),
		}
	}
	return out
}

// Error is what an error says, null for none.
func Error(err error) any {
	if err == nil {
		return nil
	}
	return strings.TrimSpace(err.Error())
}
