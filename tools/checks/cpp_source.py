"""Reads C++ just well enough for the rules: what is comment or literal, which functions there are and how long."""
import re

LITERALS = re.compile(
    r'R"(?P<d>[^()\\ ]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/',
    re.DOTALL,
)
ACCESS = re.compile(r"\b(public|private|protected)\s*:")


def strip_cpp(text):
    """Blanks comments, strings and characters; keeps the lines, and the names of included files."""

    def blank(match):
        found = match.group(0)
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if found.startswith("/"):
            return "\n" * found.count("\n")
        return found if line.lstrip().startswith("#include") else '""' + "\n" * found.count("\n")

    return LITERALS.sub(blank, text)


def cpp_functions(text):
    """(name, first line, lines) of each function body in stripped C++: a brace at namespace or class scope whose
    statement has an argument list."""
    text = re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), text)
    stack, start, line = [], 0, 1
    for position, char in enumerate(text):
        if char == "\n":
            line += 1
        elif char == "{":
            statement = text[start:position]
            kind, name = classify(statement) if all(s[0] == "scope" for s in stack) else ("inner", "")
            first = line - ACCESS.sub("", statement).lstrip().count("\n")
            stack.append((kind, name, first))
            if kind == "scope":
                start = position + 1
        elif char == "}" and stack:
            kind, name, first = stack.pop()
            if kind == "function" and text[position + 1 :].lstrip()[:1] in (",", "{"):
                continue  # a member initializer; the body comes later
            if kind == "function":
                yield name, first, line - first + 1
            if kind != "inner":
                start = position + 1
        elif char == ";" and all(s[0] == "scope" for s in stack):
            start = position + 1


def classify(statement):
    head = ACCESS.sub("", statement).strip()
    head = re.sub(r"^(template\s*<.*?>\s*|\[\[.*?\]\]\s*)+", "", head, flags=re.DOTALL)
    if re.match(r"(inline\s+)?(namespace|class|struct|union|enum|extern)\b", head) and "(" not in head:
        return "scope", ""
    name = re.search(r"([\w:~]+|operator\s*\S{1,3})\s*\(", head)
    if not name or re.search(r"(?<![=!<>])=(?!=)", re.sub(r"\(.*\)|operator\s*\S+", "", head, flags=re.DOTALL)):
        return "other", ""
    if re.match(r"(class|struct|union)\b", head) and not re.search(r"\)\s*(const|noexcept|override|->.*)?$", head):
        return "scope", ""  # a class with an attribute macro
    return "function", name.group(1)


# (C++, the same without comments and literals)
STRIPPED = [
    ('a = "x // y"; // z\nb', 'a = ""; \nb'),
    ("int n = 1'000'000; char c = '\"';", 'int n = 1\'000\'000; char c = "";'),
    ("/* new\n delete */ int a;", "\n int a;"),
    ('auto s = R"x(" // \n)")x"; f();', 'auto s = ""\n; f();'),
    ('#include "a/b.h" // why', '#include "a/b.h" '),
    (r'f("\"", "\\"); // "', 'f("", ""); '),
]
# (C++, the functions found in it: name, first line, lines)
FUNCTIONS = [
    ("int f() { return 1; }\n\nint g(int a,\n      int b)\n{\n}\n", [("f", 1, 1), ("g", 3, 4)]),
    ("namespace a::b {\nclass C final : public D {\n public:\n  C() : x_{1}, y_{f(2)} {\n  }\n  ~C() = default;\n};\n}\n", [("C", 4, 2)]),
    ("template <typename T>\nrequires std::integral<T>\nT twice(T t) {\n  if (t) { g(); }\n  return t;\n}\n", [("twice", 1, 6)]),
    ("int table[] = {\n  f(1),\n  2,\n};\nauto l = [](int a) {\n  return a;\n};\n", []),
    ("struct [[nodiscard]] S {\n  bool operator==(const S& o) const { return a == o.a; }\n};\n", [("operator==", 2, 1)]),
    ("#define M(x) \\\n  { x }\nvoid f() {\n}\n", [("f", 3, 2)]),
    ("enum class E { a, b };\nextern \"C\" {\nvoid c() {}\n}\n", [("c", 3, 1)]),
    ("class LOCKABLE(\"m\") L {\n  void lock() {\n  }\n};\n", [("lock", 2, 2)]),
]


def self_test():
    """What is read differently from how it must be."""
    for text, wanted in STRIPPED:
        if strip_cpp(text) != wanted:
            yield f"without comments and literals {text!r} is {strip_cpp(text)!r}"
    for text, wanted in FUNCTIONS:
        found = list(cpp_functions(strip_cpp(text)))
        if found != wanted:
            yield f"the functions of {text!r} are read as {found}"
