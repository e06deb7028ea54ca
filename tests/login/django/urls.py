"""The pages of the project under test."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from tests.login.django import views

urlpatterns = [
    path("", include("zoho_tokenstore.login.django.urls")),
    path("admin/", admin.site.urls),
    path("who", views.who),
    path("courses", views.courses),
    path("async-courses", views.async_courses),
    path("class-courses", views.Courses.as_view()),
    path("async-class-courses", views.AsyncCourses.as_view()),
    path("leads", views.leads),
    path("async-leads", views.async_leads),
    path("renew-and-fail", views.renew_and_fail),
    path("write-and-renew", views.write_and_renew),
    path("form", views.form),
]
