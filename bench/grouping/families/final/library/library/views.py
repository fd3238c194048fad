from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import View

from library import lending
from library.models import Author, Shelf


class BookView(View):
    def get(self, request, isbn):
        return HttpResponse(lending.lend(isbn, request.GET.get("reader")).title)

    def post(self, request, isbn):
        lending.acquire(isbn, request.POST["title"])
        return HttpResponse("", status=201)


class LoanView(View):
    def get(self, request, isbn):
        return HttpResponse(lending.reader_of(isbn))


class ReaderView(View):
    def dispatch(self, request, *args, **kwargs):
        self.name = request.GET["name"].split()[1]
        return super().dispatch(request, *args, **kwargs)

    def get(self, request):
        return HttpResponse(self.name)


def by_author(request, name):
    return HttpResponse(lending.author_of("Le Guin"))


def shelf(request, name):
    books = [{"title": "Emma", "width": name}]
    return render(request, "shelf.html", {"name": name, "books": books})


def shelves(request):
    return JsonResponse(list(Shelf.objects.values("name")), safe=False)


def hours(request):
    return render(request, "hours.html", {"from": request.GET.get("from")})


def history(request, year):
    return JsonResponse({"last": lending.years(year, year)})


def statistics(request, year):
    if lending.years(1, 3) < year:
        return JsonResponse(Author.objects.all())
    return HttpResponse(status=204)


def forgot(request, number):
    HttpResponse(f"{number}")


def closing(request, number):
    if number > 10:
        return
    return HttpResponse("open")
