"""Notes with all that can stand in notes, to be quoted."""

NOTES = {
    "kitchen.md": """---
date: 2024-03-02
---
# Kitchen

## Sourdough at high altitude
Sourdough needs a quarter less starter for every thousand metres. The starter costs $5 and the flour $10.

| Altitude | Starter |
|----------|--------:|
| 1000 m   |    75 g |

## Rye sourdough
Rye needs more water than wheat.

## Keeping loaves
Keep a loaf in a clay pot.

## Sharpening the slicer
The slicer is sharpened on a whetstone in spring.
""",
    "python.md": """# Python

## Flattening a nested list
A nested list is flattened by itertools:

```python
from itertools import chain

def flatten(rows):
    return list(chain.from_iterable(rows))
```

## Density of the normal distribution
The normal distribution has the density $f(x) = \\frac{1}{\\sigma\\sqrt{2\\pi}} e^{-x^2/2\\sigma^2}$ around zero.
""",
    '"><img src=x onerror=window.hacked=1>.md': (
        "## Attack plan <img src=x onerror=window.hacked=1>\n"
        "The attack plan says ![x](http://evil.example/?q=1) and <script>window.hacked=1</script>.\n\n"
        "- attack plan <img src=http://evil.example/2.png onerror=window.hacked=1>\n"
        "- attack plan [click](javascript:window.hacked=1) <svg onload=window.hacked=1>\n"
        "- attack plan ![x][1] <details open ontoggle=window.hacked=1>\n"
        "- attack plan <div style='background:url(http://evil.example/4.png)'>x</div> &lt;img src=http://evil.example/5&gt;\n"
        "- attack plan <a href=http://evil.example ping=http://evil.example/6>x</a> <style>@import 'http://evil.example/7'"
        "</style>\n\n[1]: http://evil.example/3.png\n"
    ),
    "باغ.md": "# باغ\n\n## آبیاری گل‌ها\nگل‌های رز را هر دو روز یک بار آبیاری کنید.\n\n- در تابستان هر روز آب بدهید.\n",
}
