"""Say where the demo is, who may log in, and what to try."""

import sys

GUIDE = """
  科云演示站 / Keyun demo          http://127.0.0.1:{port}/

  账号 / accounts (password demo-keyun)
    demo126   眉山的果农合作社      a cooperative in Meishan: posts needs, gets matches
    demo002   服务中心审核员        staff: reviews what waits for approval
    admin     系统管理员            administrator

  三件事 / three things to try
    1. 打开首页，输入：我们合作社的晚熟柑橘园发现叶片黄化斑驳，怀疑是黄龙病，想请专家来诊断并制定木虱防控方案
       Type a need on the home page and see who can help, and why.
    2. 以 demo126 登录，发布这条需求，联系一位专家；对方在收件箱里看到它。
       Log in as demo126, post it, and ask somebody for help.
    3. 在另一个终端 / in a second terminal:
       KEYUN_INSTANCE=demo-instance .venv/bin/keyun marketplace match --text '柑橘黄龙病 木虱防控'

  Ctrl-C stops the server. The records are demonstration data, written for this project.
"""


def main() -> None:
    """Print the guide for the port in the first argument."""
    print(GUIDE.format(port=sys.argv[1]))


if __name__ == "__main__":
    main()
