"""The Responses API as a format of the chat: requests and answers.

Pure: no process, no clock, no Flask.
"""
