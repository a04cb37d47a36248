package fixture

import (
	"fmt"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/internal/recording"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"go.yaml.in/yaml/v2"
)

// Run is one run of a test case, step by step.
type Run struct {
	name      string
	number    int
	converter string
	ignored   map[string]any
	steps     int
}

// On names the case that is about to run.
func (tc TestCase) On(name string) TestCase {
	tc.RecordAs = name
	return tc
}

// Begin begins a run outside of a TestCase.
func Begin(name string, converter merge.Converter) *Run {
	if !recording.On() {
		return nil
	}
	return &Run{name: name, number: recording.NextRun(), converter: fmt.Sprintf("%T", converter)}
}

func (tc TestCase) begin(converter merge.Converter) *Run {
	if tc.RecordAs == "" {
		return nil
	}
	run := Begin(tc.RecordAs, converter)
	if run == nil {
		return nil
	}
	run.ignored = map[string]any{}
	for version, set := range tc.IgnoredFields {
		run.ignored[string(version)] = recording.Fields(set)
	}
	for version, filter := range tc.IgnoreFilter {
		if set, ok := fieldpath.Excluded(filter); ok {
			run.ignored[string(version)] = recording.Fields(set)
		}
	}
	return run
}

func (s *State) step(op string, version fieldpath.APIVersion, manager string, types typed.ParseableType, object any, err error) {
	s.Record.steps++
	line := recording.Line{
		"run": s.Record.number, "case": s.Record.name, "converter": s.Record.converter, "ignored": s.Record.ignored,
		"op": op, "version": version, "manager": manager, "object": object, "error": recording.Error(err),
		"types": recording.Types(types.Schema), "type": recording.Reference(types.TypeRef),
		"managers": recording.Managers(s.Managers), "live": nil,
	}
	if conflicts, ok := err.(merge.Conflicts); ok {
		sets := map[string]*fieldpath.Set{}
		for _, conflict := range conflicts {
			if sets[conflict.Manager] == nil {
				sets[conflict.Manager] = fieldpath.NewSet()
			}
			sets[conflict.Manager].Insert(conflict.Path)
		}
		out := map[string]any{}
		for manager, set := range sets {
			out[manager] = recording.Fields(set)
		}
		line["conflicts"] = out
	}
	if s.Live != nil {
		line["live"] = recording.JSON(s.Live.AsValue())
	}
	recording.Write(line)
}

// UpdateObject writes an object.
func (s *State) UpdateObject(tv *typed.TypedValue, version fieldpath.APIVersion, manager string) error {
	err := s.updateObject(tv, version, manager)
	if s.Record != nil {
		types := typed.ParseableType{Schema: tv.Schema(), TypeRef: tv.TypeRef()}
		s.step("update", version, manager, types, recording.JSON(tv.AsValue()), err)
	}
	return err
}

// ApplyObject applies a configuration.
func (s *State) ApplyObject(tv *typed.TypedValue, version fieldpath.APIVersion, manager string, force bool) error {
	err := s.applyObject(tv, version, manager, force)
	if s.Record != nil {
		types := typed.ParseableType{Schema: tv.Schema(), TypeRef: tv.TypeRef()}
		s.step(applying(force), version, manager, types, recording.JSON(tv.AsValue()), err)
	}
	return err
}

func applying(force bool) string {
	if force {
		return "force"
	}
	return "apply"
}

// Apply applies a configuration that may not fit the schema.
func (s *State) Apply(obj typed.YAMLObject, version fieldpath.APIVersion, manager string, force bool) error {
	return s.reading(obj, version, manager, applying(force), func() error { return s.applyText(obj, version, manager, force) })
}

// Update writes an object that may not fit the schema.
func (s *State) Update(obj typed.YAMLObject, version fieldpath.APIVersion, manager string) error {
	return s.reading(obj, version, manager, "update", func() error { return s.updateText(obj, version, manager) })
}

func (a Apply) run(state *State) error {
	return state.reading(a.Object, a.APIVersion, a.Manager, "apply", func() error { return a.runPlainly(state) })
}

// Writes down what was refused before it got as far as the object.
func (s *State) reading(obj typed.YAMLObject, version fieldpath.APIVersion, manager, op string, do func() error) error {
	if s.Record == nil {
		return do()
	}
	before := s.Record.steps
	err := do()
	if err != nil && s.Record.steps == before {
		var object any
		if yaml.Unmarshal([]byte(FixTabsOrDie(obj)), &object) == nil {
			types := s.Parser.Type(string(version))
			s.step(op, version, manager, types, recording.JSON(value.NewValueInterface(object)), err)
		}
	}
	return err
}
