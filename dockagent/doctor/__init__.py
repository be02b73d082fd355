"""What a dock needs, checked one by one, each with what to do about it. Looks only: nothing is made, mended or changed.

``check`` is one answer, ``machine`` the facts about this computer, ``of_machine``, ``of_home`` and ``of_setting`` judge
them, ``examine`` lists all checks in order.
"""
