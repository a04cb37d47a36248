package typed

import (
	"os"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/internal/recording"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// The operations on values, each under its own name again, written down where RECORDING_VALUES is set.

func write(types *schema.Schema, reference schema.TypeRef, line recording.Line) {
	line["types"] = recording.Types(types)
	line["type"] = recording.Reference(reference)
	recording.Write(line)
}

func on() bool { return recording.On() && os.Getenv("RECORDING_VALUES") != "" }

func valueOf(of *TypedValue) any {
	if of == nil {
		return nil
	}
	return recording.JSON(of.value)
}

// AsTyped is checked against the schema.
func AsTyped(v value.Value, s *schema.Schema, reference schema.TypeRef, opts ...ValidationOptions) (*TypedValue, error) {
	typed, err := asTyped(v, s, reference, opts...)
	if on() {
		write(s, reference, recording.Line{
			"op": "read", "value": recording.JSON(v), "duplicates": len(opts) > 0, "error": recording.Error(err),
		})
	}
	return typed, err
}

// Merge lays one value over another.
func (tv TypedValue) Merge(over *TypedValue) (*TypedValue, error) {
	result, err := tv.mergeWith(over)
	if on() {
		write(tv.schema, tv.typeRef, recording.Line{
			"op": "merge", "value": recording.JSON(tv.value), "other": valueOf(over), "result": valueOf(result),
			"error": recording.Error(err),
		})
	}
	return result, err
}

// Compare says what is different.
func (tv TypedValue) Compare(other *TypedValue) (*Comparison, error) {
	result, err := tv.compareWith(other)
	if on() {
		line := recording.Line{
			"op": "compare", "value": recording.JSON(tv.value), "other": valueOf(other), "error": recording.Error(err),
		}
		if result != nil {
			line["removed"] = recording.Fields(result.Removed)
			line["modified"] = recording.Fields(result.Modified)
			line["added"] = recording.Fields(result.Added)
		}
		write(tv.schema, tv.typeRef, line)
	}
	return result, err
}

// ToFieldSet says which fields a value has.
func (tv TypedValue) ToFieldSet() (*fieldpath.Set, error) {
	set, err := tv.fieldSet()
	if on() {
		write(tv.schema, tv.typeRef, recording.Line{
			"op": "fields", "value": recording.JSON(tv.value), "result": recording.Fields(set), "error": recording.Error(err),
		})
	}
	return set, err
}

// RemoveItems takes fields away.
func (tv TypedValue) RemoveItems(items *fieldpath.Set) *TypedValue {
	before := recording.JSON(tv.value)
	result := tv.without(items)
	if on() {
		write(tv.schema, tv.typeRef, recording.Line{
			"op": "remove", "value": before, "set": recording.Fields(items), "result": valueOf(result),
		})
	}
	return result
}

// ReconcileFieldSetWithSchema follows a schema that has changed.
func ReconcileFieldSetWithSchema(set *fieldpath.Set, tv *TypedValue) (*fieldpath.Set, error) {
	result, err := reconcileFieldSetWithSchema(set, tv)
	if on() {
		followed := result
		if err == nil && followed == nil {
			// Nothing had to change.
			followed = set
		}
		write(tv.schema, tv.typeRef, recording.Line{
			"op": "follow", "value": recording.JSON(tv.value), "set": recording.Fields(set),
			"result": recording.Fields(followed), "error": recording.Error(err),
		})
	}
	return result, err
}
