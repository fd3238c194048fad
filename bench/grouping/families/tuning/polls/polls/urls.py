from django.urls import path

from polls import views

urlpatterns = [
    path("q/<slug:slug>/", views.detail),
    path("question/<slug:slug>/", views.detail),
    path("q/<slug:slug>/results/", views.results),
    path("share/<int:number>/", views.share),
    path("create/", views.create),
    path("edit/<slug:slug>/", views.edit),
    path("page/<int:number>/", views.page),
    path("nothing/<int:number>/", views.nothing),
]
