#!/usr/bin/env python3
"""Synthetic grassroots-government records for cundang (NDJSON on stdout).

Every person, number and event is invented.  ID numbers carry a correct check
digit but a birthplace region starting 99, which no province has, so they can
never be a real person's.  Same arguments -> same bytes, whatever --jobs is.

  gen_records.py --node 330106000000 --series all --count 100000 --seed 1 \\
                 [--year 2025] [--attachments DIR [--attach-rate 0.002]]

--node may be a village (12 digits), a township (…000) or a county (…000000);
for the last two the records are spread over the villages below it.  Villages
are read from divisions-<county>.csv beside this file when it is there.
"""
import argparse, csv, datetime, hashlib, math, multiprocessing, os, random, sys

CHUNK = 2048
HERE = os.path.dirname(os.path.abspath(__file__))

# ---------------------------------------------------------------- word pools
SUR = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤".strip()
G_OLD_M = "建国 建华 国强 志明 德福 永康 金根 阿毛 水根 文华 长林 兴旺 大春 荣生 根宝 友良 树林 福生 关根 宝林 振华 国平 伟民 志强 建军 跃进 保国 家祥 庆丰 炳根".split()
G_OLD_F = "秀英 桂英 玉兰 秀兰 凤英 玉珍 素珍 阿珍 月娥 桂花 美娟 水仙 彩娥 菊仙 招娣 爱珍 玉梅 淑珍 桂芳 兰英 翠英 银花 雪珍 梅英 春花 金娣 杏仙 巧云 莲英 仙娣".split()
G_NEW_M = "伟 强 磊 军 勇 杰 涛 明 超 鹏 浩 俊杰 浩然 子轩 宇航 志远 家豪 文博 天宇 思远 博文 晨阳 一鸣 嘉伟 海波 立峰 晓东 永刚 建平 国栋 铭泽 梓涵 沐阳 皓轩 奕辰 睿".split()
G_NEW_F = "芳 娜 敏 静 丽 艳 娟 霞 丹 婷 雪 倩 玲 燕 晓燕 雅婷 欣怡 诗涵 雨桐 佳怡 梦琪 晓红 海燕 丽萍 慧敏 春燕 思琪 梓萱 可馨 若曦 语嫣 一诺 雨欣 佳琪 美玲 蕾".split()
MOB = "134 135 136 137 138 139 150 151 152 157 158 159 178 182 183 187 188 198 130 131 132 155 156 166 185 186 133 153 173 177 180 181 189 199".split()
ESTATE = "嘉绿苑 文鼎苑 桂花城 政苑小区 骆家庄西苑 秀水名邸 古荡新村 翠苑一区 九莲新村 求是村 沁雅花园 紫金庭园 金田花园 天际大厦 和家园 留下人家 屏峰新苑 良渚文化村 象山新苑 美丽家园 水印城 山水人家 府苑新村 益乐新村 浙大阳光苑 丰潭雅苑 湖畔花园 黄龙雅苑 竞舟小区 丹桂花园 望月公寓 文苑春晓 世纪新城 星洲花园 枫桦西苑 绿园新村 雅仕苑 南都德加 白荡海人家 定山新村".split()
ROAD = "文三路 文二西路 天目山路 古墩路 丰潭路 益乐路 学院路 莫干山路 西溪路 留和路 转塘直街 之江路 枫桦路 美院南街 双浦大道 灵山路 杭富路 袁浦路 三墩街 振华路 萍水西路 申花路 竞舟路 紫荆花路 余杭塘路 崇仁路 石祥西路 五常大道 荆长路 花蒋路".split()
ITEM = [("城乡居民基本养老保险参保登记", 3), ("城乡居民基本医疗保险参保缴费", 1), ("老年人优待证办理", 2), ("高龄津贴申请", 10), ("最低生活保障对象认定", 20), ("特困人员救助供养申请", 20), ("临时救助申请", 10), ("残疾人两项补贴资格认定", 15), ("残疾人证新办", 15), ("独生子女父母光荣证补办", 5), ("生育登记服务", 1), ("再生育审批", 10), ("农村村民建房审批", 20), ("宅基地使用权确权登记", 30), ("土地承包经营权变更登记", 20), ("流动人口居住登记", 1), ("浙江省居住证申领", 15), ("户口迁移证明代办", 5), ("就业困难人员认定", 7), ("失业登记", 1), ("灵活就业社会保险补贴申领", 15), ("退役军人优待证申领", 15), ("烈士遗属定期抚恤金申领", 15), ("公共租赁住房资格确认", 20), ("居家养老服务补贴申请", 10), ("适老化改造申请", 15), ("临时占道许可代办", 5), ("食品小作坊登记", 10), ("个体工商户设立登记", 1), ("法律援助初审", 5), ("人民调解申请受理", 1), ("林木采伐许可初审", 10), ("农机购置补贴申请", 15), ("惠农补贴一卡通信息变更", 3), ("医疗救助申请", 10), ("慢性病门诊备案", 3), ("异地就医备案", 1), ("社会保障卡补换", 5), ("孤儿基本生活费申领", 15), ("困境儿童认定", 15), ("计划生育家庭特别扶助", 20), ("婚育情况证明", 1), ("入学报名材料预审", 3), ("犬类准养登记", 3), ("燃气安全自检登记", 2)]
MAT = "居民身份证 居民户口簿 结婚证 申请表 授权委托书 近期免冠照片 银行卡或存折 不动产权证书 房屋租赁合同 收入情况说明 家庭成员关系证明 残疾评定表 出院小结 医疗费用发票 土地承包合同 退役证 失业登记表 学籍证明 村民代表会议决议 承诺书 现场踏勘记录 公示照片 四至界址图 营业执照副本".split()
FORM = "原件 复印件 电子证照 告知承诺 拍照上传 部门共享核验".split()
CHAN = "便民服务中心窗口 村级代办点 代办员上门 浙里办APP 电话预约 自助终端 邮寄申请 微信小程序".split()
STEP = [("收件", "材料齐全,符合法定形式,当场受理"), ("收件", "材料缺一份,已一次性告知,申请人承诺补齐"), ("容缺受理", "缺少非主审材料,签署承诺书后先行受理"), ("代办", "代办员已到户收取材料并拍照上传"), ("初审", "经核对申请信息与共享数据一致,同意上报"), ("初审", "与户籍信息不一致,电话联系申请人核实更正后通过"), ("入户核查", "网格员与驻村干部两人入户,家庭情况属实"), ("公示", "在村务公开栏公示七日,无异议"), ("复核", "街道经办人复核通过,转区级部门审批"), ("审批", "审批同意,生成办理结果"), ("退回", "材料照片不清晰,退回补正"), ("办结", "结果已短信告知申请人,可到就近窗口领取"), ("送达", "代办员将证件送达申请人本人签收"), ("归档", "案卷材料已电子归档")]
STAT = "已办结 已办结 已办结 办理中 待补正 已受理 已退回".split()
DONE = ("已办结", "已退回")
CAT = [("城市管理", "市容环境", "垃圾堆放"), ("城市管理", "噪音扰民", "夜间施工"), ("城市管理", "噪音扰民", "广场舞"), ("城市管理", "违法建设", "阳台搭建"), ("城市管理", "停车管理", "占用消防通道"), ("物业管理", "服务质量", "电梯故障"), ("物业管理", "收费争议", "公共收益"), ("物业管理", "设施维修", "屋顶渗水"), ("市政公用", "供水", "水压不足"), ("市政公用", "供水", "爆管停水"), ("市政公用", "排水", "污水外溢"), ("市政公用", "照明", "路灯不亮"), ("市政公用", "道路", "路面坑洼"), ("供电", "线路", "频繁跳闸"), ("环境保护", "油烟", "餐饮油烟"), ("环境保护", "水体", "河道发臭"), ("农业农村", "灌溉", "水渠堵塞"), ("农业农村", "土地", "承包边界争议"), ("农业农村", "补贴", "补贴未到账"), ("民生保障", "医保", "报销进度"), ("民生保障", "养老", "助餐点关闭"), ("民生保障", "低保", "资格复核"), ("劳动保障", "欠薪", "工程欠薪"), ("消费维权", "预付卡", "健身房关门"), ("交通出行", "公交", "班次间隔"), ("交通出行", "信号灯", "配时不合理"), ("教育", "入学", "学区咨询"), ("卫生健康", "疫苗", "接种预约"), ("公共安全", "消防", "飞线充电"), ("公共安全", "燃气", "疑似泄漏"), ("公共安全", "动物", "流浪犬伤人"), ("通信", "信号", "手机信号弱")]
ISSUE = "垃圾已经连续多日没有清运,夏天异味很大 | 夜里十一点以后还在施工,打桩声很响 | 有住户私自搭建阳光房,影响楼下采光 | 消防通道长期被私家车占用,救护车进不来 | 电梯三天两头停运,老人上下楼非常不便 | 屋顶渗水严重,墙面发霉脱落 | 自来水水压很小,高峰时段几乎没有水 | 下雨天污水井倒灌,路面积水没过脚踝 | 路灯坏了半个多月,晚上出行有安全隐患 | 道路坑洼不平,前几天有人骑车摔倒 | 频繁跳闸停电,空调冰箱都受影响 | 楼下餐馆油烟直排,家里不敢开窗 | 河道水面漂浮大量垃圾,水体发黑发臭 | 灌溉水渠被淤泥堵塞,秧苗缺水 | 与邻户承包地边界不清,多次协商未果 | 耕地地力补贴至今没有到账 | 住院费用报销材料提交后一直没有消息 | 村里老年食堂关门后,独居老人吃饭困难 | 装修工程结束四个月,工钱一直拖欠 | 健身房突然关门,预付卡余额无法退还 | 公交班次间隔太长,早高峰要等四十分钟 | 路口左转绿灯时间太短,经常堵死 | 楼道里电动车飞线充电,存在火灾隐患 | 闻到较浓的煤气味,怀疑管道泄漏 | 多条流浪狗聚集,已经有小孩被咬伤 | 手机在家里基本没有信号,接打电话要到院子里 | 快递柜占用公共绿地,没有征求业主意见 | 健身器材损坏,弹簧外露容易伤人 | 树枝压在电线上,刮风时打火花 | 公厕长期锁门,打电话也没有人管 | 广场舞音响声音过大,影响孩子做作业 | 化粪池满溢,污水流到了单元门口 | 老旧小区加装电梯意见不统一,希望社区协调 | 井盖松动,车辆经过时响声很大 | 小区充电桩损坏大半,车主排队充电".split(" | ")
DUR = "持续一周左右 已有半个月 大概一个多月了 从上个月底开始 近三天尤其严重 每到雨天就出现 去年也发生过一次 每天傍晚最明显 至今已经反映过两次 春节后一直如此 最近两天突然出现".split()
IMPACT = "严重影响居民正常生活 家里老人小孩都受不了 存在较大安全隐患 周边住户意见很大 已经影响孩子上学 影响农业生产 邻里之间因此产生矛盾 业主群里反映强烈 给出行造成很大不便 担心引发火灾".split()
DEMAND = "希望相关部门尽快到现场处理 请社区出面协调 要求物业限期整改并公示结果 希望给出明确的解决时间 请执法部门依法查处 希望能够公开处理依据 请工作人员回电告知进展 希望安排专人跟进 请求核实后给予书面答复 希望从根本上解决,不要只做表面工作".split()
ORG = "街道综合信息指挥室 街道城管中队 村委会 社区居委会 物业服务企业 区市场监管所 街道民生保障办 区住建局 街道农业农村办 派出所 区水务公司 供电所 街道司法所 区综合执法队 卫生服务中心 街道应急消防管理站".split()
ACT = [("派单", "已按职责派发,要求两小时内响应"), ("签收", "承办单位已签收"), ("联系来电人", "已电话联系来电人,了解详细情况"), ("联系来电人", "首次拨打无人接听,约定晚些时候再次联系"), ("现场处置", "工作人员已到现场,情况属实,正在组织处理"), ("现场处置", "现场勘查未发现来电人所述情况,已拍照留存"), ("协调", "已约物业、业主代表及施工方到社区协商"), ("延期申请", "需施工单位采购配件,申请延期三个工作日"), ("整改", "问题已整改完毕,附整改前后照片"), ("回访", "来电人对处理结果表示满意"), ("回访", "来电人认可处理过程,对结果基本满意"), ("回访", "来电人认为未彻底解决,要求继续跟进"), ("督办", "逾期未反馈,指挥室已发督办单"), ("办结", "工单办结,归档")]
SAT = "满意 满意 满意 基本满意 满意 不满意 未评价".split()
COMM = "工作人员态度很好,办得很快 | 一次就办好了,不用来回跑 | 代办员上门来取材料,老人很方便 | 排队时间有点长 | 材料要求能再简单一点就好了 | 服务热情,讲解清楚 | 还不错 | 满意 | 非常满意,点赞 | 窗口中午没有人,白跑一趟 | 复印要自己到外面去,希望配一台复印机 | 帮我填好了表格,谢谢小姑娘 | 承诺五天办结,三天就收到短信了 | 系统卡住了等了二十多分钟 | 上次缺材料这次补齐就办了 | 希望周末也能办理 | 耐心细致,为村里的服务点赞 | 结果没有主动通知,自己打电话才知道 | 流程清楚,进度可以在手机上查 | 办事指南和实际要求不一致 | 好 | 为老百姓办实事 | 一般般 | 自助机操作不方便,老年人不会用".split(" | ")
ALT = [("暴雨", "气象台"), ("台风", "气象台"), ("高温", "气象台"), ("雷电", "气象台"), ("大雾", "气象台"), ("寒潮", "气象台"), ("道路结冰", "气象台"), ("山洪灾害", "水利局"), ("地质灾害", "规划资源局"), ("森林火险", "林业水利局"), ("河道高水位", "防汛办"), ("电信网络诈骗", "公安分局"), ("燃气安全", "住建局"), ("食物中毒风险", "市场监管局"), ("诺如病毒", "疾控中心"), ("非洲猪瘟", "农业农村局"), ("停水", "水务公司"), ("停电检修", "供电公司")]
MEAS = "立即对低洼易涝点、地下车库、在建工地开展巡查 | 转移危险区域人员,做到不漏一户一人 | 值班人员二十四小时在岗在位,保持通信畅通 | 每两小时上报一次巡查情况 | 通过村村响广播、微信群、上门走访等方式告知到户 | 对独居老人、残疾人逐户联系 | 关闭景区步道和临水游步道,设置警戒线 | 预置沙袋、水泵、发电机等抢险物资 | 开放避灾安置点,备足饮用水和食品 | 排查屋面广告牌、搭建物、行道树 | 停止户外高空作业 | 加强地质灾害隐患点专人监测 | 严格落实野外用火管控 | 组织网格员开展反诈宣传,提醒不轻信陌生来电 | 发现异常情况立即上报,不得迟报漏报瞒报 | 检查排水泵站运行工况 | 学校、养老机构落实防范措施".split(" | ")
REL = "户主 配偶 子 女 父亲 母亲 孙子 孙女 儿媳 女婿".split()
EDU = "小学 初中 高中 中专 大专 本科 研究生 文盲或半文盲".split()
OCC = "务农 个体经营 企业职工 退休 学生 自由职业 公职人员 外出务工 待业 教师 司机 保洁 建筑工".split()
TAG = "低保户 低保边缘户 独居老人 空巢老人 残疾人家庭 退役军人家庭 党员户 计划生育特扶 出租户 重点优抚 失独家庭 高龄老人 无".split()
HOUSE = "自建房三层 自建房两层 商品房 拆迁安置房 公租房 租赁住房 老旧平房 经济适用房".split()
OBS = "精神状态良好,能正常交流 | 血压偏高,提醒按时服药 | 近日食欲不佳,建议到卫生服务中心检查 | 行动不便,卫生间已加装扶手 | 家中燃气软管老化,已联系更换 | 独自居住,子女每周探望一次 | 听力下降明显,沟通需要大声 | 膝关节疼痛,上下楼困难 | 情绪低落,陪聊半小时后有所好转 | 棉被单薄,申请冬季救助物资 | 冰箱里有过期食品,已协助清理 | 药盒内漏服两次,已重新分装 | 电热毯使用多年,提醒更换 | 助餐送达及时,老人反映口味偏淡 | 申请紧急呼叫设备,已登记 | 血糖控制稳定 | 刚出院,伤口恢复良好 | 夜间起夜多,建议加装感应灯".split(" | ")
ESVC = "助餐 助浴 助洁 助医 代购 陪聊 测血压 理发 维修 代缴费 康复训练 安全巡查".split()
TOPIC = "老旧小区加装电梯 | 村级道路拓宽与路灯安装 | 文化礼堂周边停车位划线 | 集体林地流转收益分配 | 村规民约修订 | 垃圾分类投放点撤并 | 老年食堂运营补贴标准 | 河道清淤工程占地补偿 | 集体留用地项目引进 | 物业服务企业续聘 | 电动自行车集中充电棚选址 | 茶园统一防治费用分摊 | 自来水管网改造施工时段 | 殡葬改革与生态公墓使用 | 困难家庭临时救助评议 | 低保对象年度复核评议 | 村集体经济年度收支公开 | 公共绿地补植方案 | 儿童游乐设施更新 | 民宿集中区污水纳管 | 沿街商铺店招整治 | 水库移民后期扶持资金使用 | 网格优化调整与人员安排 | 防汛防台责任区划分".split(" | ")
SENT = "{n}同志介绍了前期调查摸底情况,共走访农户{a}户,回收意见表{b}份,其中赞成{c}份 | {n}提出,项目预算{m}万元,建议先做东侧一期,资金从村集体经济收入和上级补助中列支 | {n}认为施工期间必须保证消防通道畅通,晚上十点以后不得作业 | {n}反映{r}一侧现有住户{b}户,其中{c}户希望调整方案 | 有代表提出费用分摊应按楼层系数计算,低层住户适当减免 | {n}补充说明,参照{t}去年的做法,每户平均出资{d}元,争议较小 | 驻村干部{n}解释了相关政策依据,并说明补助标准为每平方米{d}元 | 村务监督委员会主任{n}要求招投标全过程公开,账目每季度张榜公布 | {n}表示其家庭情况特殊,希望在评议时予以考虑,与会人员就此进行了讨论 | 会议就{e}地块的使用方向进行了讨论,面积约{d}平方米,现状为闲置 | {n}建议由党员和网格长分片包干,{g}日前完成逐户签字确认 | 物业负责人{n}承诺在{g}日前完成整改,并安排专人对接 | 对于{n}提出的采光影响问题,会议决定请第三方机构出具测算报告 | {n}汇报了上次会议决定事项的落实情况,已完成{c}项,未完成{k}项 | 经讨论,大家对第一方案意见基本一致,对第二方案中补偿单价每亩{d}元仍有分歧 | {n}提醒汛期将至,{r}段排水沟应优先疏通,避免重复开挖 | 妇联主席{n}建议增设母婴室和儿童活动角,预计增加费用{k}万元 | 会议要求相关资料在公开栏和微信群同步公示不少于七日,监督电话{p} | {n}表示同意,但希望明确后期维护责任主体和每年{k}千元维护经费的来源 | 老党员{n}回顾了{y}年修路时的经验,建议先做通{k}户困难户的工作 | 街道分管领导{n}强调程序要合规,凡涉及集体资产处置必须经村民代表会议表决 | {n}代表{e}组村民表态支持,并愿意无偿让出宅前{k}米用地 | 统计结果显示,{e}幢{c}户中已有{k}户签字同意,尚差{k}户 | 设计单位{n}展示了效果图,工期预计{c}天,雨季可能顺延".split(" | ")
CLOSE = "会议表决:应到{a}人,实到{b}人,同意{c}人,反对{k}人,弃权{j}人,符合法定人数,决议有效。 | 会议决定暂不表决,由{n}牵头进一步征求意见,于{g}日前提交下次会议审议。 | 与会代表一致同意按第一方案实施,由村务监督委员会全程监督。 | 表决通过,同意{c}票,反对{k}票,弃权{j}票,结果公示至{g}日。".split(" | ")
MTYPE = "邻里纠纷 婚姻家庭纠纷 土地承包纠纷 宅基地纠纷 物业纠纷 劳动争议 损害赔偿纠纷 赡养纠纷 房屋租赁纠纷 道路交通事故纠纷 噪音扰民纠纷 相邻排水纠纷".split()
FACT = "因屋檐滴水流入对方院内引发争执 | 因宅基地界址不清,砌墙时发生口角 | 因赡养老人费用分担问题意见不一 | 因承包地边界田埂被铲除产生矛盾 | 因装修造成楼下天花板渗水,要求赔偿 | 因房屋租赁押金退还发生纠纷 | 因饲养的犬只咬伤他人,对医药费承担存在分歧 | 因停车剐蹭双方对责任认定不服 | 因工程款结算拖欠多次上门讨要 | 因婚后财产及子女抚养产生争议 | 因空调外机噪音长期影响休息 | 因共用过道堆放杂物多次争吵".split(" | ")
PROC = "调解员分别听取双方陈述并到现场查看 | 邀请村里有威望的老党员参与调解 | 向双方讲解民法典相关规定 | 采取背靠背方式逐一做思想工作 | 联系派出所和司法所到场协助 | 第一次调解未果,约定三日后再次协商 | 请专业人员对损失进行估价 | 双方情绪激动,先行安抚后分开谈话 | 调取监控录像还原经过".split(" | ")
AGREE = "甲方于{g}日前一次性支付乙方人民币{d}元 | 乙方自行拆除越界部分,费用由双方各承担一半 | 双方以现有界石为准,今后互不追究 | 甲方负责修复渗水部位,保修两年 | 兄弟三人每月各支付赡养费{d}元,轮流照料 | 双方互相赔礼道歉,今后和睦相处 | 甲方分{k}期支付剩余款项,每期{d}元 | 本协议一式三份,双方及调委会各执一份".split(" | ")
FKIND = "健身器材 消防栓 路灯 监控探头 公厕 避灾安置点 文化礼堂 桥梁 山塘水库 排涝泵站 垃圾分类亭 充电桩 应急广播 微型消防站 老年食堂 卫生服务站 电梯 变压器 污水处理终端 防火水池".split()
FISS = "外观完好,运行正常 | 压力表读数偏低,需补压 | 弹簧断裂,已张贴禁用标识 | 灯具不亮,疑似线路故障 | 画面模糊,镜头需清洁 | 坝体迎水坡有杂草,已安排清理 | 备用电源电量不足 | 标识牌脱落 | 螺栓锈蚀松动,建议更换 | 水泵异响,已报修 | 灭火器压力不足,更换两具 | 门锁损坏 | 渗滤液收集桶满溢 | 桥面伸缩缝堵塞 | 喇叭无声,已重启终端".split(" | ")
VACT = "垃圾分类桶边督导 敬老助餐送餐 河道巡查净滩 反诈宣传入户 文明交通劝导 防汛物资搬运 义务理发 公益课堂授课 独居老人结对 庭院整治 疫苗接种引导 赛事保障 图书整理 茶园采摘帮扶 心理疏导".split()
SENSK = [("水位", "water_level_m", 2, 0.2, 5.0), ("雨量", "rain_mm", 1, 0.0, 30.0), ("土壤湿度", "soil_pct", 1, 10, 60), ("井盖倾角", "tilt_deg", 1, 0, 8), ("燃气浓度", "lel_pct", 2, 0, 6), ("烟感", "smoke_db", 3, 0.0, 0.3), ("空气质量", "pm25", 0, 5, 120), ("电表", "kwh", 2, 100, 9000), ("水表", "m3", 3, 10, 900), ("噪声", "laeq_db", 1, 35, 82), ("位移监测", "disp_mm", 2, -3, 9), ("温湿度", "temp_c", 1, -4, 39)]
GRIDROLE = "网格长 专职网格员 兼职网格员 代办员 民政员 村会计 妇联主席 调解主任 治保主任 驻村干部 便民窗口工作人员".split()

WEIGHTS = {"sensor": 30, "service-case": 16, "complaint": 12, "service-rating": 11, "household": 8, "care-service": 8,
           "facility-geo": 4, "deliberation": 3, "mediation": 3, "alert": 2, "volunteer-partner": 3}

# ---------------------------------------------------------------- tables
W17 = [pow(2, 17 - i, 11) for i in range(17)]
CHK = ["10X98765432"[s % 11] for s in range(33)]
def wsum(s, off): return sum(int(c) * W17[off + i] for i, c in enumerate(s)) % 11
BIRTH0 = datetime.date(1930, 1, 1)
BIRTHS = [(BIRTH0 + datetime.timedelta(days=i)).strftime("%Y%m%d") for i in range(0, 34600)]
BIRTHW = [wsum(b, 6) for b in BIRTHS]
SEQ = ["%03d" % i for i in range(1000)]
SEQW = [wsum(s, 14) for s in SEQ]
SOD = ["%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(86400)]
HOURW = [1, .6, .4, .4, .5, 1, 3, 8, 22, 26, 24, 16, 7, 12, 22, 24, 20, 14, 8, 7, 6, 4, 2.5, 1.5]
def warp_table():                      # uniform second of day -> office-hours second of day, monotonic
    tot, acc, out, h = sum(HOURW), 0.0, [], 0
    for s in range(86400):
        q = s / 86400 * tot
        while q >= acc + HOURW[h]: acc += HOURW[h]; h += 1
        out.append(int((h + (q - acc) / HOURW[h]) * 3600))
    return out

class Zipf:
    """A pool drawn with weight 1/(rank+shift)^a."""
    __slots__ = ("p", "cw")
    def __init__(self, pool, a=1.0, shift=2.0):
        self.p = list(pool); acc = 0.0; self.cw = []
        for i in range(len(self.p)):
            acc += (i + shift) ** -a; self.cw.append(acc)
    def it(self, rng, k): return iter(rng.choices(self.p, cum_weights=self.cw, k=k)).__next__

class Ctx: pass

def load_villages(node):
    """-> ([(code, name, township name)], county name, level)"""
    rows = {}
    path = os.path.join(HERE, "divisions-" + node[:6] + ".csv")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            rows = {r["code"]: r for r in csv.DictReader(f)}
    level = "county" if node.endswith("000000") else "town" if node.endswith("000") else "village"
    pre = node[:{"county": 6, "town": 9, "village": 12}[level]]
    leaf = [(c, r["name"], rows[r["parent"]]["name"]) for c, r in rows.items()
            if c.startswith(pre) and not c.endswith("000")]
    if not leaf:
        n = {"county": 150, "town": 15, "village": 1}[level]
        if level == "village": leaf = [(node, "示例村", "示例镇")]
        else: leaf = [(pre + ("%03d%03d" % (100 + i // 15, 200 + i % 15) if level == "county" else "%03d" % (200 + i)),
                       "示例%d村" % (i + 1), "示例%d镇" % (i // 15 + 1)) for i in range(n)]
    county = rows.get(node[:6] + "000000", {}).get("name", "示例县")
    return leaf, county, level

def build(node, seed, year):
    """Everything shared by all chunks: people, staff, addresses, time tables."""
    rng = random.Random("%s/%s/%s/ctx" % (seed, node, year)); c = Ctx()
    c.node, c.year, c.seed = node, year, seed
    c.vill, c.county, c.level = load_villages(node)
    rng.shuffle(c.vill)
    c.codes = [v[0] for v in c.vill]; c.vname = {v[0]: v[1] for v in c.vill}; c.tname = {v[0]: v[2] for v in c.vill}
    d0 = datetime.date(year, 1, 1)
    c.days = [(d0 + datetime.timedelta(days=i)).isoformat() + "T" for i in range(480)]
    c.epoch = int((datetime.datetime(year, 1, 1) - datetime.datetime(1970, 1, 1)).total_seconds()) - 8 * 3600
    c.ndays = (datetime.date(year + 1, 1, 1) - d0).days
    c.warp = warp_table()
    c.surz = Zipf(SUR, 0.8, 3)
    c.regions = [("99%04d" % rng.randrange(10000)) for _ in range(48)]
    c.regw = [wsum(r, 0) for r in c.regions]
    c.regz = Zipf(range(48), 1.1, 1.2)
    nper = {"village": 2600, "town": 9000, "county": 24000}[c.level]
    vz = Zipf(c.codes, 0.7, 4)
    gv = vz.it(rng, nper); gs = c.surz.it(rng, nper); gr = c.regz.it(rng, nper)
    pe = []
    for _ in range(nper):
        v = gv(); b = min(max(int(rng.gauss(15500, 7800)), 0), len(BIRTHS) - 6700); s = rng.randrange(1000); r = gr()
        pe.append(person(c, rng, v, gs(), b, s, r) + (v,))
    rng.shuffle(pe); c.people = pe
    c.peoplez = Zipf(pe, 0.75, 12)
    c.elderz = Zipf([p for p in pe if p[3] < str(year - 62)], 0.7, 10)
    staff = []
    for i, (code, vn, tn) in enumerate(c.vill[:160]):
        for role in GRIDROLE[:6]:
            p = pe[rng.randrange(nper)]
            staff.append((p[0], role, "%s%s" % (code, SEQ[i % 1000][1:]), code))
    rng.shuffle(staff); c.staffz = Zipf(staff, 0.8, 5)
    names = [p[0] for p in pe]; c.names = names
    c.namez = Zipf(names, 0.6, 20)
    dev = []
    for i in range(min(60 * len(c.vill), 2400)):
        k = SENSK[rng.choices(range(12), [9, 7, 5, 4, 6, 8, 5, 6, 6, 3, 3, 7])[0]]
        v = c.codes[rng.randrange(len(c.codes))]
        dev.append((v, "SN%s%05d" % (v[6:], i), k, 30.08 + rng.random() * .15, 120.0 + rng.random() * .14))
    c.devz = Zipf(dev, 0.25, 20)
    fac = []
    for i in range(min(80 * len(c.vill), 3000)):
        v = c.codes[rng.randrange(len(c.codes))]
        fac.append((v, "FA%s%04d" % (v[6:], i), FKIND[rng.randrange(len(FKIND))], rng.choice(ROAD) + "%d号" % rng.randrange(1, 400),
                    "%.6f" % (30.08 + rng.random() * .15), "%.6f" % (120.0 + rng.random() * .14)))
    c.facz = Zipf(fac, 0.5, 20)
    return c

def idno(c, b, s, r): return c.regions[r] + BIRTHS[b] + SEQ[s] + CHK[c.regw[r] + BIRTHW[b] + SEQW[s]]

def person(c, rng, v, sur, b, s, r):
    male = s & 1
    pool = (G_OLD_M if male else G_OLD_F) if b < 13500 else (G_NEW_M if male else G_NEW_F)
    x = rng.random(); name = sur + pool[int(x * x * len(pool))]
    if x > .93: name = sur + G_NEW_M[int(x * 1e4) % len(G_NEW_M)][0] + pool[int(x * 1e6) % len(pool)][-1]
    i = idno(c, b, s, r)
    ph = MOB[int(rng.random() ** 2 * len(MOB))] + "%08d" % rng.randrange(10 ** 8)
    vn = c.vname[v]
    if vn.endswith("村") or "村委会" in vn: ad = "%s%s%d组%d号" % (c.tname[v], vn, rng.randrange(1, 16), rng.randrange(1, 190))
    else: ad = "%s%s%s%d幢%d单元%d0%d室" % (c.tname[v], vn, ESTATE[int(rng.random() ** 2 * len(ESTATE))], rng.randrange(1, 48), rng.randrange(1, 5), rng.randrange(1, 19), rng.randrange(1, 5))
    return (name, i, ph, BIRTHS[b], "男" if male else "女", ad)

# ---------------------------------------------------------------- series
# Each gen_*(c, rng, st) takes st = [(day, second)] and yields (node, fields-json).
def T(c, d, s):
    if s >= 86400: d += s // 86400; s %= 86400
    return c.days[d] + SOD[s] + "+08:00"

def closed(c, d, t, done):
    """The anchor of retention: present once a case is closed."""
    return '"closed_at":"%s",' % T(c, d, t) if done else ""

def gen_service_request(c, rng, st):
    n = len(st); P = c.peoplez.it(rng, n); I = Zipf(ITEM, 1.0).it(rng, n); S = c.staffz.it(rng, 9 * n)
    M = Zipf(MAT, .9).it(rng, 8 * n); F = Zipf(FORM, 1).it(rng, 8 * n); C = Zipf(CHAN, .9).it(rng, n); Z = Zipf(STAT, .6).it(rng, n)
    K = Zipf(list(enumerate(STEP)), .5).it(rng, 8 * n); R = rng.random
    for d, s in st:
        p = P(); it, days = I(); a = S(); x = R(); t = s
        mats = ",".join(['{"name":"%s","form":"%s","copies":%d}' % (M(), F(), 1 + (x > .8)) for _ in range(2 + int(x * 4))])
        steps = []
        for _, k in sorted({K() for _ in range(4 + int(R() * 4))}):
            o = S(); steps.append('{"at":"%s","by":"%s","action":"%s","note":"%s"}' % (T(c, d, t), o[0], k[0], k[1])); t += int(300 + R() ** 3 * 90000)
        yield p[6], ('{"accept_no":"YC%s%s%05d","item":"%s","applicant":{"name":"%s","id_no":"%s","phone":"%s","address":"%s"},"channel":"%s",'
            '"agent":{"name":"%s","role":"%s","staff_no":"%s"},"materials":[%s],"promised_days":%d,"status":"%s",%s"steps":[%s]}') % (
            p[6][6:], c.days[d][2:10].replace("-", ""), int(x * 99999), it, p[0], p[1], p[2], p[5], C(), a[0], a[1], a[2], mats, days, (z := Z()), closed(c, d, t, z in DONE), ",".join(steps))

def gen_hotline(c, rng, st):
    n = len(st); P = c.peoplez.it(rng, n); C = Zipf(CAT, .8).it(rng, n); I = Zipf(ISSUE, .8).it(rng, n); D = Zipf(DUR, .7).it(rng, n)
    E = Zipf(ESTATE, .8).it(rng, n); Rd = Zipf(ROAD, .8).it(rng, n); IM = Zipf(IMPACT, .6).it(rng, n); DM = Zipf(DEMAND, .6).it(rng, n)
    O = Zipf(ORG, .8).it(rng, 10 * n); A = Zipf(list(enumerate(ACT)), .5).it(rng, 10 * n); N = c.namez.it(rng, 10 * n); SA = Zipf(SAT, .6).it(rng, n); R = rng.random
    for d, s in st:
        p = P(); c1, c2, c3 = C(); t = s; tl = []; x = R()
        for _, k in sorted({A() for _ in range(5 + int(x * 5))}):
            tl.append('{"at":"%s","org":"%s","operator":"%s","action":"%s","text":"%s"}' % (T(c, d, t), O(), N(), k[0], k[1])); t += int(120 + R() ** 3 * 80000)
        yield p[6], ('{"ticket_no":"12345-%s-%06d","category":["%s","%s","%s"],"caller":{"name":"%s","phone":"%s","address":"%s"},'
            '"content":"来电人反映:%s%s%d号附近,%s,%s,%s,%s。","timeline":[%s],%s"response_minutes":%d,"overdue":%s,"satisfaction":"%s"}') % (
            c.days[d][:10].replace("-", ""), int(x * 999999), c1, c2, c3, p[0], p[2], p[5], Rd(), E(), 1 + int(R() * 300), I(), D(), IM(), DM(),
            ",".join(tl), closed(c, d, t, x > .2), (t - s) // 60, "true" if x > .93 else "false", SA())

def gen_rating(c, rng, st):
    n = len(st); P = c.peoplez.it(rng, n); I = Zipf(ITEM, 1.0).it(rng, n); CM = Zipf(COMM, .8).it(rng, n); S = c.staffz.it(rng, n); C = Zipf(CHAN, .9).it(rng, n); SC = Zipf([5, 4, 3, 2, 1], 2, 1).it(rng, 4 * n); R = rng.random
    for d, s in st:
        p = P(); a = S(); x = R()
        yield p[6], ('{"accept_no":"YC%s%s%05d","item":"%s","score":%d,"dimensions":{"attitude":%d,"speed":%d,"clarity":%d},"comment":"%s","channel":"%s",'
            '"staff_no":"%s","rater":{"name":"%s","phone":"%s"},"anonymous":%s}') % (p[6][6:], c.days[d][2:10].replace("-", ""), int(x * 99999), I()[0], SC(), SC(), SC(), SC(),
            CM(), C(), a[2], p[0], p[2], "true" if x < .3 else "false")

def gen_alert(c, rng, st):
    n = len(st); A = Zipf(ALT, .8).it(rng, n); L = Zipf("黄蓝橙红", .9).it(rng, n); M = Zipf(MEAS, .5).it(rng, 8 * n); N = c.namez.it(rng, n); V = Zipf(c.vill, .3).it(rng, 12 * n); R = rng.random
    for d, s in st:
        k, o = A(); l = L(); x = R(); h = (3, 6, 12, 24, 48)[int(x * 5)]; vs = [V() for _ in range(2 + int(R() * 9))]
        ms = list(dict.fromkeys(M() for _ in range(3 + int(x * 5))))
        yield c.node, ('{"alert_no":"YJ%s%04d","kind":"%s","level":"%s色","issuer":"%s%s","signed_by":"%s","title":"%s%s%s色预警信号","effective":"%s","expires":"%s",'
            '"text":"%s%s于%s日%s时发布%s%s色预警:预计未来%d小时内,%s等地将受到影响,最大影响值达%d,请各地做好防范。","measures":["%s"],"targets":[%s],"ack_required":true,"ack_deadline_minutes":%d}') % (
            c.days[d][:10].replace("-", ""), int(R() * 9999), k, l, c.county, o, N(), c.county, k, l, T(c, d, s), T(c, d, s + h * 3600), c.county, o, c.days[d][8:10], SOD[s][:2], k, l, h,
            "、".join([v[1] for v in vs[:4]]), int(R() * 180), '","'.join(ms), ",".join(['"%s"' % v[0] for v in vs]), (15, 30, 60)[int(R() * 3)])

def gen_household(c, rng, st):
    n = len(st); P = c.peoplez.it(rng, n); RG = c.regz.it(rng, 6 * n); SU = c.surz.it(rng, 6 * n); E = Zipf(EDU, .5).it(rng, 6 * n); O = Zipf(OCC, .7).it(rng, 6 * n); TG = Zipf(TAG[::-1], 1, 1).it(rng, n); H = Zipf(HOUSE, .7).it(rng, n); S = c.staffz.it(rng, n); R = rng.random; rr = rng.randrange
    for d, s in st:
        p = P(); v = p[6]; k = 1 + int(R() ** 1.1 * 5); ms = []; hb = rr(3500, 24000)
        for j in range(k):
            b = hb if j == 0 else min(max(hb + (rr(-1500, 1500) if j == 1 else rr(7500, 13000) if j < 4 else rr(-11000, -7500)), 0), 34500)
            q = person(c, rng, v, p[0][0] if j != 1 else SU(), b, rr(1000), RG())
            ms.append('{"relation":"%s","name":"%s","gender":"%s","id_no":"%s","birth":"%s-%s-%s","phone":"%s","education":"%s","occupation":"%s"}' % (
                REL[j] if j < 2 else REL[(2 if q[4] == "男" else 3) if j < 4 else (4 if q[4] == "男" else 5)], q[0], q[4], q[1], q[3][:4], q[3][4:6], q[3][6:], q[2] if b < 29500 else "", E(), O()))
        yield v, ('{"household_no":"HH%s%06d","address":"%s","grid":"%s第%d网格","grid_worker":"%s","housing":"%s","area_m2":%d,"tags":["%s"],"registered":%d,"resident":%d,"members":[%s]}') % (
            v, rr(1000000), p[5], c.vname[v], 1 + rr(12), S()[0], H(), rr(45, 320), TG(), k, max(1, k - rr(2)), ",".join(ms))

def gen_eldercare_visit(c, rng, st):
    n = len(st); P = c.elderz.it(rng, n); S = c.staffz.it(rng, n); OB = Zipf(OBS, .6).it(rng, 5 * n); SV = Zipf(ESVC, .6).it(rng, 5 * n); N = c.namez.it(rng, n); G = rng.gauss; R = rng.random
    for d, s in st:
        p = P(); a = S(); x = R()
        yield p[6], ('{"visit_no":"EV%s%06d","elder":{"name":"%s","id_no":"%s","gender":"%s","phone":"%s","address":"%s"},"visitor":{"name":"%s","role":"%s","staff_no":"%s"},'
            '"services":["%s"],"vitals":{"systolic":%d,"diastolic":%d,"pulse":%d,"temp":%.1f,"glucose":%.1f},"observation":"%s。","contact":{"name":"%s","relation":"%s","phone":"1%010d"},"minutes":%d,"next_visit":"%s"}') % (
            c.days[d][2:10].replace("-", ""), int(x * 999999), p[0], p[1], p[4], p[2], p[5], a[0], a[1], a[2], '","'.join(dict.fromkeys(SV() for _ in range(1 + int(x * 4)))),
            int(G(138, 16)), int(G(82, 9)), int(G(75, 8)), G(36.5, .25), abs(G(6.1, 1.2)), "。".join(dict.fromkeys(OB() for _ in range(2 + int(x * 3)))), N(), ("子", "女", "配偶", "侄子", "邻居")[int(R() * 5)],
            (3, 5, 7, 8, 9)[int(R() * 5)] * 10 ** 9 + int(R() * 1e9), 15 + int(R() * 60), c.days[d + 3 + int(R() * 12)][:10])

def fill(c, t, N, R):
    d = 1 + int(R() * 28)
    return t.format(n=N(), a=40 + int(R() * 160), b=20 + int(R() * 60), c=8 + int(R() * 30), k=1 + int(R() * 9), j=int(R() * 4), m=round(R() * 80 + 2, 1), r=ROAD[int(R() * R() * 30)],
                    t=c.vname[c.codes[int(R() * len(c.codes))]], d=50 * (1 + int(R() * 90)), e=1 + int(R() * 18), g="%d月%d" % (1 + int(R() * 12), d), p="0571-8%07d" % int(R() * 1e7), y=1998 + int(R() * 24))

def gen_meeting(c, rng, st):
    n = len(st); V = Zipf(c.codes, .6, 4).it(rng, n); N = c.namez.it(rng, 60 * n); TP = Zipf(TOPIC, .7).it(rng, 2 * n); SE = Zipf(SENT, .3).it(rng, 22 * n); CL = Zipf(CLOSE, .5).it(rng, n); R = rng.random
    for d, s in st:
        v = V(); tp = TP(); k = 6 + int(R() * 12); body = []
        for i in range(k): body.append(fill(c, SE(), N, R))
        yield v, ('{"meeting_no":"YS%s%s%02d","title":"%s关于%s的议事协商会","place":"%s%s","host":"%s","recorder":"%s","attendees":["%s"],"absent":%d,"started":"%s","ended":"%s",'
            '"minutes":"%s。%s","published":%s}') % (v[6:], c.days[d][2:10].replace("-", ""), int(R() * 99), c.vname[v], tp, c.vname[v], ("文化礼堂", "党群服务中心会议室", "议事亭", "便民服务中心二楼")[int(R() * R() * 4)],
            N(), N(), '","'.join([N() for _ in range(5 + int(R() * 9))]), int(R() * 5), T(c, d, s), T(c, d, s + 1800 + int(R() * 7200)), "。".join(body), fill(c, CL(), N, R), "true" if R() < .8 else "false")

def gen_mediation(c, rng, st):
    n = len(st); P = c.peoplez.it(rng, 2 * n); S = c.staffz.it(rng, 2 * n); TY = Zipf(MTYPE, .7).it(rng, n); FA = Zipf(FACT, .5).it(rng, n); PR = Zipf(PROC, .4).it(rng, 5 * n); AG = Zipf(AGREE, .4).it(rng, 5 * n); N = c.namez.it(rng, 20 * n); R = rng.random
    for d, s in st:
        p, q = P(), P(); a, b = S(), S(); x = R()
        yield p[6], ('{"case_no":"(%d)%s民调%d号","type":"%s","parties":[{"side":"甲方","name":"%s","id_no":"%s","phone":"%s","address":"%s"},{"side":"乙方","name":"%s","id_no":"%s","phone":"%s","address":"%s"}],'
            '"mediators":["%s","%s"],"facts":"%s年%s月%s日,甲方%s与乙方%s%s,涉及金额约%d元。","process":"%s。","agreement":"%s。","outcome":"%s","risk":"%s"}') % (
            c.year, c.vname[p[6]][:2], 1 + int(x * 900), TY(), p[0], p[1], p[2], p[5], q[0], q[1], q[2], q[5], a[0], b[0], c.days[d][:4], c.days[d][5:7], c.days[d][8:10], p[0], q[0], FA(), 100 * int(1 + R() * R() * 600),
            "。".join(dict.fromkeys(PR() for _ in range(2 + int(x * 3)))), "。".join([fill(c, t, N, R) for t in dict.fromkeys(AG() for _ in range(2 + int(R() * 3)))]), ("达成协议", "达成协议", "达成协议", "未达成", "转司法")[int(R() * 5)], ("低", "低", "中", "高")[int(R() * 4)])

def gen_facility(c, rng, st):
    n = len(st); F = c.facz.it(rng, n); S = c.staffz.it(rng, n); IS = Zipf(FISS, .9).it(rng, 3 * n); R = rng.random
    for d, s in st:
        f = F(); a = S(); x = R()
        yield f[0], ('{"facility_no":"%s","kind":"%s","location":"%s","lat":%s,"lng":%s,"inspector":{"name":"%s","staff_no":"%s"},"condition":"%s","findings":["%s"],"repair_needed":%s,"cost_estimate":%d,"next_check":"%s"}') % (
            f[1], f[2], f[3], f[4], f[5], a[0], a[2], ("良好", "良好", "一般", "待维修", "停用")[int(x * x * 5)], '","'.join(dict.fromkeys(IS() for _ in range(1 + int(x * 3)))), "true" if x > .7 else "false", 0 if x < .7 else 50 * int(1 + R() * 60), c.days[d + 7 + int(R() * 30)][:10])

def gen_volunteer(c, rng, st):
    n = len(st); V = Zipf(c.codes, .6, 4).it(rng, n); P = c.peoplez.it(rng, 12 * n); A = Zipf(VACT, .7).it(rng, n); S = c.staffz.it(rng, n); R = rng.random
    for d, s in st:
        v = V(); ms = []
        for _ in range(2 + int(R() ** 2 * 9)):
            p = P(); h = (1, 1.5, 2, 2.5, 3, 4)[int(R() * 6)]
            ms.append('{"name":"%s","phone":"%s","hours":%s,"points":%d}' % (p[0], p[2], h, h * 10))
        yield v, ('{"activity_no":"ZY%s%s%03d","activity":"%s","place":"%s%s","organizer":"%s","started":"%s","members":[%s]}') % (
            v[6:], c.days[d][2:10].replace("-", ""), int(R() * 999), A(), c.vname[v], ROAD[int(R() * R() * 30)], S()[0], T(c, d, s), ",".join(ms))

def gen_sensor(c, rng, st):
    n = len(st); D = c.devz.it(rng, n); R = rng.random; qn = c.days
    for d, s in st:
        v, no, (kn, key, dp, lo, hi), la, ln = D(); x = R(); m = lo + (hi - lo) * x * x
        w = (hi - lo) * .01
        yield v, ('{"device":"%s","kind":"%s","at":"%s","samples":[{"t":0,"%s":%.*f},{"t":300,"%s":%.*f},{"t":600,"%s":%.*f}],"interval_s":900,"battery_pct":%d,"rssi_dbm":-%d,"status":"%s","firmware":"2.4.%d","lat":%.5f,"lng":%.5f}') % (
            no, kn, T(c, d, s - s % 900), key, dp, m, key, dp, m + w * R(), key, dp, m - w * R(), 100 - int(x * 10) * 4, 61 + int(R() * 45), "正常" if x < .97 else "告警", len(no) % 3 + int(no[-1]) % 4, la, ln)

GEN = {"service-case": gen_service_request, "complaint": gen_hotline, "service-rating": gen_rating, "alert": gen_alert, "household": gen_household, "care-service": gen_eldercare_visit,
       "deliberation": gen_meeting, "mediation": gen_mediation, "facility-geo": gen_facility, "volunteer-partner": gen_volunteer, "sensor": gen_sensor}

# ---------------------------------------------------------------- attachments
def attachment(rng, outdir, series):
    kind, mime, head, tail = (("jpg", "image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x01\x00\x96\x00\x96\x00\x00", b"\xff\xd9"),
                              ("pdf", "application/pdf", b"%PDF-1.4\n1 0 obj\n<</Type/XObject/Subtype/Image/Filter/DCTDecode/Width 1654/Height 2339>>\nstream\n", b"\nendstream\nendobj\n%%EOF\n"))[rng.random() < .25]
    size = int(min(max(math.exp(rng.gauss(12.85, .8)), 50_000), 3_000_000))
    data = head + rng.randbytes(size - len(head) - len(tail)) + tail
    h = hashlib.sha256(data).hexdigest(); name = "%s.%s" % (h, kind)
    path = os.path.join(outdir, name)
    if not os.path.exists(path):
        tmp = "%s.%d.tmp" % (path, os.getpid())
        with open(tmp, "wb") as f: f.write(data)
        os.rename(tmp, path)
    title = ("现场照片", "材料扫描件", "签字页扫描", "公示照片", "身份证复印件")[int(rng.random() * 5)]
    return '[{"sha256":"%s","name":"%s.%s","media_type":"%s","size":%d}]' % (h, title, kind, mime, len(data))

# ---------------------------------------------------------------- chunks
CTX = None
def chunk(job):
    idx, lo, n, total, series, attdir, attrate = job
    c = CTX; rng = random.Random("%s/%s/%s/%s/%d/%d" % (c.seed, c.node, c.year, series, total, idx))
    span = c.ndays * 86400 / total; a = lo * span; w = n * span; R = rng.random
    ts = sorted([int(a + w * R()) for _ in range(n)])
    if series == "all": which = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=n)
    else: which = [series] * n
    st = {}; where = {}; warp = c.warp; full = []
    for i, (t, s) in enumerate(zip(ts, which)):
        d, sec = divmod(t, 86400)
        if s != "sensor": sec = warp[sec]
        full.append((d, sec)); st.setdefault(s, []).append((d, sec)); where.setdefault(s, []).append(i)
    out = [None] * n; hexs = rng.randbytes(10 * n).hex(); ep = c.epoch
    arng = random.Random("%s/%s/%s/%d/%d/att" % (c.seed, c.node, series, total, idx)) if attdir else None
    for s in WEIGHTS:
        if s not in st: continue
        r2 = random.Random("%s/%s/%s/%s/%d/%d/%s" % (c.seed, c.node, c.year, series, total, idx, s))
        for i, (node, f) in zip(where[s], GEN[s](c, r2, st[s])):
            d, sec = full[i]; h = hexs[20 * i:20 * i + 20]; ms = "%012x" % ((ep + d * 86400 + sec) * 1000 + int(h[:3], 16) % 1000)
            att = ""
            if attdir and s != "sensor" and arng.random() < attrate: att = ',"attachments":' + attachment(arng, attdir, s)
            out[i] = '{"series":"%s","id":"%s-%s-7%s-%s%s-%s","node":"%s","created_at":"%s%s+08:00","fields":%s%s}\n' % (
                s, ms[:8], ms[8:], h[:3], "89ab"[int(h[3], 16) & 3], h[4:7], h[7:19], node, c.days[d], SOD[sec], f, att)
    return "".join(out).encode("utf-8")

def main():
    global CTX
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--node", default="330106000000"); ap.add_argument("--series", default="all", choices=["all"] + list(GEN))
    ap.add_argument("--count", type=int, default=1000); ap.add_argument("--year", type=int, default=2025); ap.add_argument("--seed", default="1")
    ap.add_argument("--attachments", metavar="DIR"); ap.add_argument("--attach-rate", type=float, default=0.003, help="share of non-sensor records with one (default 0.003)")
    ap.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    a = ap.parse_args()
    if not (len(a.node) == 12 and a.node.isdigit()): ap.error("--node takes 12 digits")
    if a.attachments: os.makedirs(a.attachments, exist_ok=True)
    CTX = build(a.node, a.seed, a.year)
    jobs = [(i, lo, min(CHUNK, a.count - lo), a.count, a.series, a.attachments, a.attach_rate) for i, lo in enumerate(range(0, a.count, CHUNK))]
    w = sys.stdout.buffer.write
    try:
        if a.jobs > 1 and len(jobs) > 1:
            with multiprocessing.get_context("fork").Pool(min(a.jobs, len(jobs))) as p:
                for b in p.imap(chunk, jobs): w(b)
        else:
            for j in jobs: w(chunk(j))
        sys.stdout.flush()
    except BrokenPipeError: os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

if __name__ == "__main__": main()
