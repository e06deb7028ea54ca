"""The student portal of Zylker Academy: Login with Zoho, and courses that live in Zoho CRM.

``make portal`` runs it; docs/how-to/try-the-portal.md.
"""
