#@ command python3 -c
#@ seconds 90
"""Functions as they are measured in the literature: dynamic HTML, compression, graphs."""
import hashlib, io, json, os, random, sys, tempfile, zipfile
import igraph, jinja2


def check(name):
    print("==", name, flush=True)


os.chdir(tempfile.mkdtemp())
size = 10 if sys.argv[1] == "full" else 1
random.seed(1)

check("dynamic html")
template = jinja2.Environment(autoescape=True).from_string(
    "<ul>{% for n in numbers %}<li>{{ n }}{% if n is odd %}!{% endif %}</li>{% endfor %}</ul>{{ text }}")
page = template.render(numbers=[random.randrange(1000000) for _ in range(1000 * size)], text="<&>")
print(len(page), hashlib.sha256(page.encode()).hexdigest()[:16], page[-15:])

check("compression")
for i in range(50 * size):
    os.makedirs(f"tree/{i % 7}", exist_ok=True)
    with open(f"tree/{i % 7}/{i}", "wb") as file:
        file.write(random.randbytes(1000) * 10)
with zipfile.ZipFile("tree.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for path, _, names in sorted(os.walk("tree")):
        for name in sorted(names):
            archive.write(os.path.join(path, name))
with zipfile.ZipFile("tree.zip") as archive:
    print(len(archive.namelist()), archive.testzip(), os.path.getsize("tree.zip") < 150000 * size)

graph = igraph.Graph(
    n=2000 * size, edges=[(random.randrange(2000 * size), random.randrange(2000 * size)) for _ in range(8000 * size)])
graph.es["weight"] = [random.random() for _ in graph.es]
check("pagerank")
ranks = graph.pagerank()
print(len(ranks), round(sum(ranks), 6), ranks.index(max(ranks)))
check("mst")
tree = graph.spanning_tree(weights=graph.es["weight"])
print(tree.ecount(), round(sum(tree.es["weight"]), 3))
check("bfs")
order, starts, parents = graph.bfs(0)
print(len(order), len(starts), order[:10])
check("json")
data = [{"id": i, "tags": [str(j) for j in range(i % 5)]} for i in range(5000 * size)]
print(hashlib.sha256(json.dumps(json.loads(json.dumps(data))).encode()).hexdigest()[:16])
