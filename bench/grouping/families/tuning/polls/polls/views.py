from django.http import HttpResponse
from django.shortcuts import render

from polls.models import Question


def detail(request, slug):
    return HttpResponse(Question.objects.get(slug=slug).text)


def results(request, slug):
    votes = {}
    return HttpResponse(str(votes[slug] / sum(votes.values())))


def share(request, number):
    votes = []
    return HttpResponse(str(number / len(votes)))


def create(request):
    return HttpResponse(Question.objects.create(text=request.POST["text"], slug="tea").pk)


def edit(request, slug):
    question = Question.objects.filter(slug=slug).first()
    question.text = "?"
    return HttpResponse("ok")


def page(request, number):
    return render(request, "polls/page.html", {"number": number})


def nothing(request, number):
    number + 1
