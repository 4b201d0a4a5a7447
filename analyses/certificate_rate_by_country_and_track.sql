-- Question: how does the share of certificates differ between countries and enrollment tracks?
-- Answer: one row per country (NULL: not given) and track, the largest groups first; shares from 0 to 1.
with

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

learners as (
    select * from {{ ref('learners') }}
)

select
    learners.country,
    learner_courses.enrollment_track,
    count(*) as enrollments,
    count(*) filter (where learner_courses.is_certificate_eligible) as certificates,
    round(count(*) filter (where learner_courses.is_certificate_eligible) / count(*), 4) as certificate_share
from learner_courses
inner join learners on learner_courses.student_id = learners.student_id
group by learners.country, learner_courses.enrollment_track
order by enrollments desc, learners.country asc, learner_courses.enrollment_track asc
