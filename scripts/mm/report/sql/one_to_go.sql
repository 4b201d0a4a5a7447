-- One row per course that learners with one certificate to go need next; without a course: none is left.
select
    coalesce(courses.title, learner_progress.next_course) as course,
    count(*) as learners
from learner_progress
left join courses on learner_progress.next_course = courses.course
where learner_progress.stage = 'one to go'
group by courses.position, courses.title, learner_progress.next_course
order by courses.position asc nulls last
