from django import template

register = template.Library()


@register.filter
def truncated(text, width):
    return text[: width - 1] + "…"
