"""Invented people for the reference and synthetic estates: deterministic, realistic, with awkward names mixed in.

Must not know files or tenants' documents; `generate_estate.py` writes them.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from pypinyin import Style, lazy_pinyin

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
    "苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段"
    "迟隋宫栾綦逄矫臧辛解仇查单盖尹曲逯"
)
COMPOUND = ("欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐")
GIVEN = (
    "伟强磊洋勇军杰涛超明刚平辉鹏华飞鑫波斌宇浩凯健俊帆帅旭宁龙林欢阳建国志海文东"
    "芳娜敏静丽艳娟霞秀英慧巧美婷雪玲燕红梅莉兰凤洁琳云莲真环荣爱妹香月莺媛瑞凡佳嘉琼"
    "青岛晨晓子昊天佑泽雨轩梓涵思远博安然振兴卫春秋实山川河"
)
TITLES = ("科员", "副主任科员", "主任科员", "副处长", "处长", "调研员", "工程师", "高级工程师", "会计", "档案员")

#: (family, given, display, pinyin): names that break systems that join strings or count characters.
AWKWARD: tuple[tuple[str, str, str, str], ...] = (
    ("阿卜杜热合曼", "买买提", "买买提·阿卜杜热合曼", "maimaiti"),
    ("艾则孜", "古丽娜尔", "古丽娜尔·艾则孜", "gulinaer"),
    ("尼玛", "扎西", "扎西·尼玛", "zhaxi"),
    ("卓玛拉姆", "才仁", "才仁·索南多杰·卓玛拉姆", "cairen"),
    ("𠮷", "田", "𠮷田", "jitian"),
    ("李", "𪚥", "李𪚥", "lizhe"),
    ("张", "𡋾", "张𡋾", "zhangkun"),
    ("丁", "㛃", "丁㛃", "dingjie"),
    ("佟", "", "佟", "tong"),
    ("难", "", "难", "nan"),
    ("欧阳", "青山", "欧阳青山", "ouyangqingshan"),
    ("爱新觉罗", "启", "爱新觉罗启", "aixinjueluoqi"),
    ("O'Brien", "Sean", "Sean O'Brien", "seanobrien"),
    ("D’Angelo", "Anna", "Anna D’Angelo", "annadangelo"),
    ("Müller", "Jürgen", "Jürgen Müller", "jurgenmuller"),
    ("Nguyễn", "Thị Hồng", "Nguyễn Thị Hồng", "nguyenthihong"),
    ("王", "小明", '王小明 "老王"', "wangxiaoming"),
    ("张", "三", '张三, "小张" + 1 \\ <测试>;=#', "zhangsan"),
    ("李", "四", "#123 李四", "lisi"),
    ("赵", "六", "=SUM(A1) 赵六", "zhaoliu"),
    ("孙", "七", "孙七 <七>; 八=九", "sunqi"),
    ("周", "八", "@周八", "zhouba"),
    ("吴", "九", "+吴九", "wujiu"),
    ("郑", "十", "-郑十", "zhengshi"),
    ("钱", "一", "  钱一  ", "qianyi"),
    ("冯", "二", "冯二\\", "fenger"),
    ("陈", "三", "陈三*)(uid=*", "chensan"),
    ("褚", "五", "褚五/褚伍", "chuwu"),
    ("卫", "六", "卫六'六", "weiliu"),
    ("Smith", "John", "Smith, John", "johnsmith"),
    ("刘", "洋", "刘\u3000洋", "liuyang"),
    ("ﾀﾅｶ", "Taro", "ﾀﾅｶ Taro", "tanakataro"),
)
#: The same people in many tenants, as in life.
COMMON = (("王", "伟"), ("张", "伟"), ("李", "娜"), ("王", "芳"), ("刘", "洋"))


@dataclass
class People:
    """Makes people one tenant after another; uids are unique over all of them by numbering."""

    seed: int
    domain: str
    awkward_left: list[tuple[str, str, str, str]] = field(default_factory=lambda: list(AWKWARD))
    _used: dict[str, int] = field(default_factory=dict)
    _serial: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def of_tenant(self, count: int) -> list[dict[str, object]]:
        """`count` people as rows of a people file (keys are its columns, `groups` a list)."""
        rows = []
        for number in range(count):
            family, given, display, pinyin = self._name(number)
            uid = self._uid(pinyin)
            self._serial += 1
            groups = ["all"]
            if number < max(1, count // 20):
                groups.append("approvers")
            if number % 25 == 1 or number == 0:
                groups.append("site-editors")
            rows.append(
                {
                    "uid": uid,
                    "family_name": family,
                    "given_name": given,
                    "display_name": display,
                    "pinyin": pinyin,
                    "employee_number": f"{self._serial:05d}",
                    "mail": f"{uid}@{self.domain}",
                    "title": "负责人" if number == 0 else self._random.choice(TITLES),
                    "phone": f"0532-5550-{self._serial % 10000:04d}",
                    "groups": groups,
                }
            )
        return rows

    def _name(self, number: int) -> tuple[str, str, str, str]:
        if number == 7 and self.awkward_left:
            return self.awkward_left.pop(0)
        pick = self._random
        if 1 <= number <= len(COMMON) and pick.random() < 0.6:
            family, given = COMMON[number - 1]
        else:
            common = SURNAMES[: pick.choice((20, 60, 106))]
            family = pick.choice(COMPOUND) if pick.random() < 0.015 else pick.choice(common)
            given = "".join(pick.choice(GIVEN) for _ in range(pick.choice((1, 2, 2, 2))))
        display = family + given
        spoken = "".join(lazy_pinyin(family + given, style=Style.NORMAL, v_to_u=False, errors="ignore"))
        return family, given, display, re.sub(r"[^a-z]", "", spoken.lower())

    def _uid(self, pinyin: str) -> str:
        base = pinyin[:24]
        number = self._used.get(base, 0) + 1
        self._used[base] = number
        return base if number == 1 and len(base) > 2 else f"{base}{number:02d}"
