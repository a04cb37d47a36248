package fieldpath

// Excluded is the set that a filter leaves out; false for filters of another kind.
func Excluded(filter Filter) (*Set, bool) {
	exclude, ok := filter.(excludeFilter)
	return exclude.excludeSet, ok
}
