"""The Responses API as a format of the chat: requests and answers.

It is pure: no process, no clock, no Flask.
"""
